// Mutual exclusion between tasks, fibers and threads: a task that has to wait parks, a thread blocks.
//
// Status: experimental.
//
//     ramie::mutex m;
//     { std::lock_guard held(m); ... ramie::this_task::sleep_for(1ms); ... }   // may be held across waits
//
// Do not hold a std::mutex across a wait: it stops the whole thread. Any thread may lock and unlock. Lock throws
// ramie::cancelled when told to go while it waits; unlock never waits. Cost: 3 ns for lock and unlock together, 13 once
// a second thread has come.
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
// fiber of the same thread where no scheduler could let that one go on. Destroying one that is held or waited for is a
// failed check.
class mutex {
 public:
  explicit mutex(mutex_order order = mutex_order::fair) noexcept : order_(order) {}
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;
  ~mutex();

  void lock() {
    const context::thread_words* thread = context::this_thread_words();
    const void* me = parking::self(thread);
    lock_.lock(thread);
    if (is_free()) [[likely]] {
      owner_.store(me, std::memory_order_relaxed);
      lock_.unlock();
      parking::charge(1, thread);
    } else {
      wait_for_it(me);
    }
  }
  [[nodiscard]] bool try_lock() noexcept {
    parking::charge(1);
    const context::thread_words* thread = context::this_thread_words();
    const void* me = parking::self(thread);
    lock_.lock(thread);
    const bool got = is_free();
    if (got) owner_.store(me, std::memory_order_relaxed);
    lock_.unlock();
    return got;
  }
  // By who locked it: another is a failed check.
  void unlock() noexcept {
    const context::thread_words* thread = context::this_thread_words();
    if (!is_of(parking::self(thread))) [[unlikely]]
      not_the_owner();
    lock_.lock(thread);
    if (waiters_.empty()) [[likely]] {
      owner_.store(nullptr, std::memory_order_relaxed);
      lock_.unlock();
    } else {
      hand_over();
    }
  }
  // The caller holds it.
  [[nodiscard]] bool is_mine() const noexcept { return is_of(parking::self()); }

 private:
  friend class condition_variable;
  friend struct mutex_waits;
  [[nodiscard]] bool is_of(const void* who) const noexcept { return owner_.load(std::memory_order_relaxed) == who; }
  [[nodiscard]] bool is_free() const noexcept { return is_of(nullptr); }
  // These are called with lock_ held and unlock it.
  void wait_for_it(const void* me);
  void hand_over() noexcept;
  void lock_for_good() noexcept;  // a wait for it is not called off
  [[noreturn]] void not_the_owner() const noexcept;

  // Under lock_, but for "is it me", which only I can make true.
  std::atomic<const void*> owner_ = nullptr;
  parking::short_lock lock_;
  const mutex_order order_;
  parking::wait_list waiters_;
};

// May be locked again by who holds it; unlocked as often.
class recursive_mutex {
 public:
  recursive_mutex() noexcept = default;
  recursive_mutex(const recursive_mutex&) = delete;
  recursive_mutex& operator=(const recursive_mutex&) = delete;

  void lock() {
    if (inner_.is_mine()) {
      parking::charge(1);
    } else {
      inner_.lock();
    }
    ++depth_;
  }
  [[nodiscard]] bool try_lock() noexcept {
    if (!inner_.is_mine() && !inner_.try_lock()) return false;
    ++depth_;
    return true;
  }
  // By who locked it: another is a failed check.
  void unlock() noexcept {
    if (!inner_.is_mine() || --depth_ == 0) inner_.unlock();
  }

 private:
  mutex inner_;
  std::uint32_t depth_ = 0;
};

// Many readers or one writer. First come, first served: a writer that waits holds later readers back. Who reads must
// not lock again, neither to read nor to write.
class shared_mutex {
 public:
  shared_mutex() noexcept = default;
  shared_mutex(const shared_mutex&) = delete;
  shared_mutex& operator=(const shared_mutex&) = delete;
  ~shared_mutex();

  void lock() { acquire(true); }
  [[nodiscard]] bool try_lock() noexcept { return try_acquire(true); }
  void unlock() noexcept { release(true); }
  void lock_shared() { acquire(false); }
  [[nodiscard]] bool try_lock_shared() noexcept { return try_acquire(false); }
  void unlock_shared() noexcept { release(false); }

 private:
  friend struct shared_mutex_waits;
  [[nodiscard]] bool admits(bool alone) const noexcept { return !writer_ && !(alone && readers_ != 0); }
  void enter(bool alone) noexcept;
  void acquire(bool alone);
  bool try_acquire(bool alone) noexcept;
  void release(bool alone) noexcept;
  void admit(parking::wake_list& admitted) noexcept;

  parking::short_lock lock_;
  bool writer_ = false;
  std::uint32_t readers_ = 0;
  parking::wait_list waiters_;
};

}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
