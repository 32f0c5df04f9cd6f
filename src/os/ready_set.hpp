// epoll(7), level triggered, and an eventfd by which other threads end a wait, once for each rouse().
//
// One thread, except rouse().
#pragma once

#include <cstdint>
#include <span>

namespace ramie::os {

class ready_set {
 public:
  struct one {
    std::uint64_t tag = 0;
    std::int16_t events = 0;  // readable, writable; both at an end or an error
  };
  static constexpr std::uint64_t rouse_tag = UINT64_MAX;

  // Throws std::system_error.
  ready_set();
  ~ready_set();
  ready_set(const ready_set&) = delete;
  ready_set& operator=(const ready_set&) = delete;

  // 0 or -errno; -EPERM: a file, which is always ready. Also of one that is watched already.
  int watch(int descriptor, std::int16_t events, std::uint64_t tag) noexcept;
  void unwatch(int descriptor) noexcept;
  // How many there are, at most so many, by `due_ns` (monotonic clock; 0: at once, INT64_MAX: waits for ever), or
  // -errno: EINTR. One with rouse_tag: somebody has roused.
  int wait(std::span<one> found, std::int64_t due_ns) noexcept;
  void rouse() noexcept;
  [[nodiscard]] int descriptor() const noexcept { return queue_; }

 private:
  int queue_ = -1, rouser_ = -1;
};

}  // namespace ramie::os
