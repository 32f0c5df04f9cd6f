// Mutual exclusion between tasks, fibers and threads: a task that has to wait parks, a thread blocks.
//
//     ramie::mutex m;
//     { std::lock_guard held(m); ... ramie::this_task::sleep_for(1ms); ... }   // may be held across waits
//
// Do not hold a std::mutex across a wait: it stops the whole thread. Any thread may lock and unlock. Lock throws
// ramie::cancelled when told to go while it waits; unlock never waits. Cost: 5 ns for lock and unlock together.
#pragma once

#include <ramie/park/wait.hpp>

#include <atomic>
#include <cstdint>

#pragma GCC visibility push(default)
namespace ramie {

enum class mutex_order : unsigned char {
  fair,    // first come, first served: unlock() hands it over
  barging  // who comes while it is free has it, although others were woken for it: fewer switches, no order
};

inline namespace v0 {

// Not recursive: locking it twice throws std::system_error (resource_deadlock_would_occur), and so does waiting for a
// fiber of the same thread where no scheduler could let that one go on.
class mutex {
 public:
  explicit mutex(mutex_order order = mutex_order::fair) noexcept : order_(order) {}
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;
  ~mutex();

  void lock() {
    std::uint32_t expected = free;
    if (!state_.compare_exchange_strong(expected, held, std::memory_order_acquire)) [[unlikely]]
      return lock_slowly();
    owner_.store(parking::self(), std::memory_order_relaxed);
    parking::charge_one();
  }
  [[nodiscard]] bool try_lock() noexcept {
    std::uint32_t expected = free;
    if (!state_.compare_exchange_strong(expected, held, std::memory_order_acquire)) return false;
    owner_.store(parking::self(), std::memory_order_relaxed);
    return true;
  }
  // By who locked it: another is a failed check.
  void unlock() noexcept {
    if (owner_.load(std::memory_order_relaxed) != parking::self()) [[unlikely]]
      not_the_owner();
    owner_.store(nullptr, std::memory_order_relaxed);
    std::uint32_t expected = held;
    if (!state_.compare_exchange_strong(expected, free, std::memory_order_release)) [[unlikely]]
      unlock_slowly();
  }
  // The caller holds it.
  [[nodiscard]] bool is_mine() const noexcept { return owner_.load(std::memory_order_relaxed) == parking::self(); }

 private:
  friend class condition_variable;
  friend struct mutex_waits;
  enum state : std::uint32_t { free, held, awaited };  // awaited: held, and somebody may wait
  void lock_slowly();
  void lock_for_good() noexcept;  // not called off
  void unlock_slowly() noexcept;
  bool enqueue(parking::waiter& me) noexcept;
  [[noreturn]] void not_the_owner() const noexcept;

  std::atomic<std::uint32_t> state_ = free;
  mutex_order order_;
  parking::short_lock lock_;
  std::atomic<const void*> owner_ = nullptr;
  parking::wait_list waiters_;
};

// May be locked again by who holds it; unlocked as often.
class recursive_mutex {
 public:
  void lock() {
    if (!inner_.is_mine()) inner_.lock();
    ++depth_;
  }
  [[nodiscard]] bool try_lock() noexcept {
    if (!inner_.is_mine() && !inner_.try_lock()) return false;
    ++depth_;
    return true;
  }
  void unlock() noexcept {
    if (--depth_ == 0) inner_.unlock();
  }

 private:
  mutex inner_;
  std::uint32_t depth_ = 0;
};

// Many readers or one writer. First come, first served: a writer that waits holds later readers back.
class shared_mutex {
 public:
  shared_mutex() noexcept = default;
  shared_mutex(const shared_mutex&) = delete;
  shared_mutex& operator=(const shared_mutex&) = delete;

  void lock();
  [[nodiscard]] bool try_lock() noexcept;
  void unlock() noexcept;
  void lock_shared();
  [[nodiscard]] bool try_lock_shared() noexcept;
  void unlock_shared() noexcept;

 private:
  friend struct mutex_waits;
  void acquire(bool alone);
  void admit(parking::wait_list& admitted) noexcept;
  void leave(bool alone) noexcept;
  parking::short_lock lock_;
  bool writer_ = false;
  std::uint32_t readers_ = 0;
  parking::wait_list waiters_;
};

}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
