// Which of many descriptors are ready: for those who bring a loop or a library of their own.
//
// Status: experimental. Link ramie::ramie.
//
//     ramie::selector all;
//     ramie::selector::monitor door(all, listening, ramie::selector::interest::read);
//     all.select(1s, [](ramie::selector::monitor& ready) { serve(ready.descriptor(), ready.readiness()); });
//
// Programs take <ramie/net.hpp>, whose calls wait by themselves. This only tells: level triggered, and reads nothing.
// In a task select() parks that task, on a thread without a scheduler it blocks. One thread uses a selector and its
// monitors; wakeup() is anybody's. Descriptors stay the caller's.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {

class selector {
 public:
  enum class interest : unsigned char { none = 0, read = 1, write = 2, both = 3 };
  friend constexpr interest operator|(interest a, interest b) noexcept {
    return static_cast<interest>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
  }
  friend constexpr interest operator&(interest a, interest b) noexcept {
    return static_cast<interest>(static_cast<unsigned>(a) & static_cast<unsigned>(b));
  }
  friend constexpr interest operator~(interest a) noexcept {
    return static_cast<interest>(~static_cast<unsigned>(a) & 3U);
  }

  // One who wants to know of one descriptor; several may want to know of the same. It stays where it is; its end takes
  // it out, and it may outlive the selector. Close the descriptor after its monitors: what waits for one that is closed
  // under it is never told.
  class monitor {
   public:
    // Throws std::system_error: bad_file_descriptor, or what epoll_ctl(2) says. A file on disk is always ready.
    monitor(selector& where, int descriptor, interest wanted, void* value = nullptr);
    ~monitor() { close(); }
    monitor(const monitor&) = delete;
    monitor& operator=(const monitor&) = delete;

    [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
    [[nodiscard]] interest interests() const noexcept { return wanted_; }
    // Of `none` nothing is told. Throw bad_file_descriptor after close().
    void set_interests(interest wanted);
    void add_interest(interest more) { set_interests(wanted_ | more); }
    void remove_interest(interest less) { set_interests(wanted_ & ~less); }
    // As the last select() that told of it found; of what it is interested in. An end or an error is both. Stays after
    // close().
    [[nodiscard]] interest readiness() const noexcept { return ready_; }
    [[nodiscard]] bool is_readable() const noexcept { return (ready_ & interest::read) != interest::none; }
    [[nodiscard]] bool is_writable() const noexcept { return (ready_ & interest::write) != interest::none; }
    // Takes it out, from a callback of select() too: it is not told of any more. Twice is once.
    void close() noexcept;
    [[nodiscard]] bool closed() const noexcept { return where_ == nullptr; }

    void* value = nullptr;  // the caller's own

   private:
    friend class selector;
    selector* where_ = nullptr;
    const int descriptor_;
    interest wanted_ = interest::none, ready_ = interest::none;
    monitor* next_ = nullptr;  // of the same descriptor
  };

  using limit = std::optional<std::chrono::nanoseconds>;  // empty: none

  // Throws std::system_error: no descriptor is left for it.
  selector();
  ~selector();
  selector(const selector&) = delete;
  selector& operator=(const selector&) = delete;

  // Waits until something is ready, somebody calls wakeup(), or the time is over; then calls each(monitor&) for those
  // that are ready, and returns how many they were. Throws std::invalid_argument for a negative limit,
  // bad_file_descriptor after close(), operation_canceled when another task closes it meanwhile, in a task
  // ramie::cancelled, and what `each` throws: the rest is told next time.
  template <class F>
  std::size_t select(limit most, F&& each) {
    std::size_t told = 0;
    wait(most);
    while (monitor* one = next_ready()) {
      ++told;
      each(*one);
    }
    return told;
  }
  std::size_t select(limit most = {}) {
    return select(most, [](monitor&) {});
  }

  // Any thread: a select() that waits returns, or else the next one. Several are one.
  void wakeup() noexcept;

  [[nodiscard]] std::size_t size() const noexcept;  // monitors
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] bool has(int descriptor) const noexcept;
  // Closes its monitors; also from the callback of select(), and while another task of this thread waits in one. Twice
  // is once. Only the destructor needs that nobody waits.
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept;

 private:
  void wait(limit most);
  monitor* next_ready() noexcept;
  struct [[gnu::visibility("hidden")]] state;
  std::unique_ptr<state> state_;
};

}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
