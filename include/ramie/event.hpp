// Something that happens, once or now and then, and those who wait for it. Any thread.
//
// Status: experimental.
#pragma once

#include <ramie/park/wait.hpp>

#include <atomic>
#include <cstddef>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {

// Set or not. A wait for a set one returns at once; setting it wakes all; it stays set until reset(). Who has waited
// may destroy it at once, although set() may still be on its way out.
class event {
 public:
  event() noexcept = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;
  ~event();

  void wait();
  void set() noexcept;
  void reset() noexcept;
  [[nodiscard]] bool is_set() const noexcept { return set_.load(std::memory_order_acquire); }

 private:
  friend struct event_waits;
  template <class F>
  friend class event_arm;
  // For select().
  bool enlist(parking::waiter& one) noexcept;
  void withdraw(parking::waiter& one) noexcept;

  parking::short_lock lock_;
  std::atomic<bool> set_ = false;
  parking::wait_list waiters_;
};

// A count that goes down to zero, once. Below zero is a failed check.
class latch {
 public:
  explicit latch(std::size_t count) noexcept : count_(count) {
    if (count == 0) done_.set();
  }
  void count_down(std::size_t by = 1) noexcept {
    const std::size_t before = count_.fetch_sub(by, std::memory_order_acq_rel);
    if (before <= by) last(before, by);
  }
  void wait() { done_.wait(); }
  void arrive_and_wait(std::size_t by = 1) {
    count_down(by);
    wait();
  }
  [[nodiscard]] bool try_wait() const noexcept { return done_.is_set(); }

 private:
  void last(std::size_t before, std::size_t by) noexcept;
  std::atomic<std::size_t> count_;
  event done_;
};

// So many meet, again and again. One that is told to go while it waits does not count as having come.
class barrier {
 public:
  // Zero is taken for one.
  explicit barrier(std::size_t parties) noexcept : parties_(parties) {}
  barrier(const barrier&) = delete;
  barrier& operator=(const barrier&) = delete;
  ~barrier();

  // True for the one that came last.
  bool arrive_and_wait();
  [[nodiscard]] std::size_t waiting() const noexcept;

 private:
  friend struct barrier_waits;
  mutable parking::short_lock lock_;
  const std::size_t parties_;
  std::size_t arrived_ = 0;
  parking::wait_list waiters_;
};

}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
