#include "base/check.hpp"

#include <ramie/event.hpp>

#include <mutex>

namespace ramie::inline v0 {

using parking::waiter;

struct event_waits {
  static constexpr parking::wait_kind kind = {"event", &parking::leave_list<event, &event::lock_, &event::waiters_>};
};

struct barrier_waits {
  static bool withdraw(waiter& one) noexcept {
    auto& from = *static_cast<barrier*>(one.object);
    std::lock_guard held(from.lock_);
    if (!from.waiters_.remove(one)) return false;
    --from.arrived_;
    return true;
  }
  static constexpr parking::wait_kind kind = {"barrier", &withdraw};
};

// Waits until a set() that has been seen has left.
event::~event() {
  std::lock_guard held(lock_);
  parking::check_deserted(waiters_, "event");
}

void event::wait() {
  if (is_set()) return parking::charge(1);
  waiter self;
  self.object = this;
  if (enlist(self)) parking::park(self, event_waits::kind);
}

bool event::enlist(waiter& one) noexcept {
  std::lock_guard held(lock_);
  if (is_set()) return false;
  waiters_.push_back(one);
  return true;
}

void event::withdraw(waiter& one) noexcept {
  std::lock_guard held(lock_);
  waiters_.remove(one);
}

void event::set() noexcept {
  parking::wake_list all;
  {
    std::lock_guard held(lock_);
    set_.store(true, std::memory_order_release);
    all.take_all(waiters_);
  }
  all.wake_all();
}

void event::reset() noexcept {
  std::lock_guard held(lock_);
  set_.store(false, std::memory_order_relaxed);
}

void latch::last(std::size_t before, std::size_t by) noexcept {
  RAMIE_CHECK(before == by);
  if (by != 0) done_.set();
}

barrier::~barrier() {
  std::lock_guard held(lock_);
  parking::check_deserted(waiters_, "barrier");
}

bool barrier::arrive_and_wait() {
  lock_.lock();
  if (++arrived_ >= parties_) {
    parking::wake_list all;
    all.take_all(waiters_);
    arrived_ = 0;
    lock_.unlock();
    all.wake_all();
    parking::charge(1);
    return true;
  }
  waiter self;
  self.object = this;
  waiters_.push_back(self);
  lock_.unlock();
  parking::park(self, barrier_waits::kind);
  return false;
}

std::size_t barrier::waiting() const noexcept {
  std::lock_guard held(lock_);
  return arrived_;
}

}  // namespace ramie::inline v0
