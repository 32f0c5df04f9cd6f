// Waiting under a mutex until somebody says that something has changed.
//
// Status: experimental.
//
//     std::unique_lock held(m);
//     changed.wait(held, [&] { return !queue.empty(); });
//
// First come, first served. A wait that is told to go has the mutex again when ramie::cancelled leaves it. Any thread.
#pragma once

#include <ramie/mutex.hpp>

#include <mutex>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {

class condition_variable {
 public:
  condition_variable() noexcept = default;
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;
  ~condition_variable();

  // Gives the mutex up, waits, takes it again. Wakes for a notify only, but others may have been faster: use a
  // predicate. A notify that comes together with a cancellation counts: the wait returns, the cancellation stays.
  // Throws std::system_error (operation_not_permitted) when nothing is held.
  void wait(std::unique_lock<mutex>& held);
  template <class Predicate>
  void wait(std::unique_lock<mutex>& held, Predicate holds) {
    while (!holds()) wait(held);
  }
  void notify_one() noexcept;
  void notify_all() noexcept;

 private:
  friend struct condition_waits;
  parking::short_lock lock_;
  parking::wait_list waiters_;
};

}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
