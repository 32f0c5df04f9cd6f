// epoll(7): which descriptors something has happened on, and an eventfd by which other threads end a wait.
//
// One thread, except rouse().
// A fork shares it: what the child would change or take it would take from the parent. So there everything but rouse()
// comes after a renew().
#pragma once

#include "os/rouser.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace ramie::os {

struct happened {
  std::uint64_t tag = 0;
  bool to_readers = false, to_writers = false;
  bool odd = false;  // an end, an error or (of edges) urgent bytes: an empty stream is not the whole story
};

// Edge: an event is told once. Level: what is ready is told each time.
enum class trigger : std::uint8_t { edge, level };

class event_queue {
 public:
  // Throws std::system_error.
  explicit event_queue(trigger when);
  event_queue(const event_queue&) = delete;
  event_queue& operator=(const event_queue&) = delete;
  ~event_queue();

  // It was made before this process was forked.
  [[nodiscard]] bool is_inherited() const noexcept { return rouser_.is_inherited(); }
  // One of this process takes the place of the inherited one, under the same numbers; it watches nothing yet. 0 or
  // -errno, EMFILE: it is inherited still.
  int renew() noexcept;

  // 0 or -errno; -EPERM: a file, which is always ready. What is ready already is told too.
  int watch(int descriptor, std::int16_t events, std::uint64_t tag) noexcept;
  // Watched under the same number already; for other events, or once more for the same.
  int watch_again(int descriptor, std::int16_t events, std::uint64_t tag) noexcept;
  void unwatch(int descriptor) noexcept;

  // What has happened, at most so many; waits until `due_ns` (monotonic clock; INT64_MAX: for ever) unless `now`. The
  // roused one is not among them. -errno: EINTR.
  int wait(std::span<happened> found, std::int64_t due_ns, bool now, bool& roused) noexcept;
  // Any thread; safe in signal handlers. Of an inherited one: after renew().
  void rouse() noexcept { rouser_.rouse(); }
  // Readable while wait() would find something.
  [[nodiscard]] int descriptor() const noexcept { return queue_; }

 private:
  [[nodiscard]] std::uint32_t mask_of(std::int16_t events) const noexcept;
  static int make(int& queue, int& rouser) noexcept;
  int watch_rouser() noexcept;

  const trigger trigger_;
  int queue_ = -1;
  rouser rouser_;                // edge triggered always: each write is an event, nobody reads
  bool has_nanoseconds_ = true;  // epoll_pwait2, Linux 5.11
};

}  // namespace ramie::os
