#include "base/check.hpp"

#include <ramie/mutex.hpp>

#include <cstdio>
#include <mutex>
#include <system_error>

namespace ramie::inline v0 {

using parking::wait_kind;
using parking::waiter;

// How waits for mutexes are called off: whoever is still in the list leaves it. One that was handed the mutex is not in
// the list any more; it then has the mutex and returns.
struct mutex_waits {
  static constexpr wait_kind kind = {"mutex", &parking::leave_list<mutex, &mutex::lock_, &mutex::waiters_>};
};

struct shared_mutex_waits {
  static bool withdraw(waiter& one) noexcept {
    auto& from = *static_cast<shared_mutex*>(one.object);
    parking::wake_list admitted;
    {
      std::lock_guard held(from.lock_);
      if (!from.waiters_.remove(one)) return false;
      from.admit(admitted);  // it may have held back those behind it
    }
    admitted.wake_all();
    return true;
  }
  static constexpr wait_kind kind = {"shared_mutex", &withdraw};
};

namespace {

[[noreturn]] void refuse(const char* what) {
  throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur), what);
}

}  // namespace

// The lock is taken and given back: who unlocked last may still hold it.
mutex::~mutex() {
  std::lock_guard held(lock_);
  parking::check_deserted(waiters_, "mutex");
  RAMIE_CHECK(is_free());
}

void mutex::wait_for_it(const void* me) {
  const void* owner = owner_.load(std::memory_order_relaxed);
  if (owner == me) {
    lock_.unlock();
    refuse("mutex: the caller holds it already");
  }
  if (parking::waits_for_this_thread(owner)) {
    lock_.unlock();
    refuse("mutex: held by another fiber of this thread, which cannot go on while this one waits");
  }
  for (bool came_before = false;; came_before = true) {
    waiter self;  // a new one for each wait: it keeps that it was woken
    self.object = this;
    self.place = const_cast<void*>(me);
    if (came_before) {
      waiters_.push_front(self);
    } else {
      waiters_.push_back(self);
    }
    lock_.unlock();
    parking::park(self, mutex_waits::kind);
    if (order_ == mutex_order::fair) return;  // it was handed over
    lock_.lock();
    if (is_free()) {
      owner_.store(me, std::memory_order_relaxed);
      return lock_.unlock();
    }
  }
}

void mutex::lock_for_good() noexcept {
  const void* me = parking::self();
  for (;;) {
    lock_.lock();
    if (is_free()) {
      owner_.store(me, std::memory_order_relaxed);
      return lock_.unlock();
    }
    waiter self;
    self.object = this;
    self.place = const_cast<void*>(me);
    waiters_.push_back(self);
    lock_.unlock();
    parking::park_shielded(self, mutex_waits::kind);
    if (order_ == mutex_order::fair) return;
  }
}

void mutex::hand_over() noexcept {
  waiter* next = waiters_.take_front();
  owner_.store(order_ == mutex_order::fair && next != nullptr ? next->place : nullptr, std::memory_order_relaxed);
  lock_.unlock();
  if (next != nullptr) parking::wake(*next);
}

void mutex::not_the_owner() const noexcept {
  std::fprintf(stderr, "ramie: a mutex is unlocked by somebody who does not hold it\n");
  RAMIE_CHECK(is_mine());
  __builtin_unreachable();
}

shared_mutex::~shared_mutex() {
  std::lock_guard held(lock_);
  parking::check_deserted(waiters_, "shared_mutex");
  RAMIE_CHECK(!writer_ && readers_ == 0);
}

void shared_mutex::enter(bool alone) noexcept {
  if (alone) {
    writer_ = true;
  } else {
    ++readers_;
  }
}

void shared_mutex::acquire(bool alone) {
  lock_.lock();
  if (waiters_.empty() && admits(alone)) {
    enter(alone);
    lock_.unlock();
    return parking::charge(1);
  }
  waiter self;
  self.object = this;
  self.asked = alone ? 1 : 0;
  waiters_.push_back(self);
  lock_.unlock();
  parking::park(self, shared_mutex_waits::kind);
}

bool shared_mutex::try_acquire(bool alone) noexcept {
  parking::charge(1);
  std::lock_guard held(lock_);
  if (!waiters_.empty() || !admits(alone)) return false;
  enter(alone);
  return true;
}

void shared_mutex::release(bool alone) noexcept {
  parking::wake_list admitted;
  {
    std::lock_guard held(lock_);
    RAMIE_CHECK(alone ? writer_ : readers_ != 0);
    if (alone) {
      writer_ = false;
    } else {
      --readers_;
    }
    admit(admitted);
  }
  admitted.wake_all();
}

void shared_mutex::admit(parking::wake_list& admitted) noexcept {
  while (!waiters_.empty() && admits(waiters_.first()->asked == 1)) {
    waiter& one = *waiters_.pop_front();
    enter(one.asked == 1);
    admitted.add(one);
  }
}

}  // namespace ramie::inline v0
