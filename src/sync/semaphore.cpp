#include "base/check.hpp"

#include <ramie/semaphore.hpp>

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <string>

namespace ramie::inline v0 {

using parking::waiter;

struct semaphore_waits {
  static bool withdraw(waiter& one) noexcept {
    auto& from = *static_cast<semaphore*>(one.object);
    parking::wake_list admitted;
    {
      std::lock_guard held(from.lock_);
      if (!from.waiters_.remove(one)) return false;
      --from.waiting_;
      from.admit(admitted);  // one that asked for many may have held back those behind it
    }
    admitted.wake_all();
    return true;
  }
  static constexpr parking::wait_kind kind = {"semaphore", &withdraw};
};

semaphore::~semaphore() {
  std::lock_guard held(lock_);
  parking::check_deserted(waiters_, "semaphore");
}

void semaphore::acquire(std::size_t count) {
  lock_.lock();
  if (waiters_.empty() && has_room(count)) [[likely]] {
    taken_ += count;
    lock_.unlock();
    return parking::charge(1);
  }
  if (count > highest_) {
    const std::size_t limit = limit_, highest = highest_;
    lock_.unlock();
    throw std::invalid_argument(
        "semaphore: " + std::to_string(count) + " permits are asked for, the limit is " + std::to_string(limit) +
        (limit == highest ? "" : " and never was more than " + std::to_string(highest)) + "; set_limit() raises it");
  }
  waiter self;
  self.object = this;
  self.asked = count;
  waiters_.push_back(self);
  ++waiting_;
  lock_.unlock();
  parking::park(self, semaphore_waits::kind);
}

bool semaphore::try_acquire(std::size_t count) noexcept {
  parking::charge(1);
  std::lock_guard held(lock_);
  if (!waiters_.empty() || !has_room(count)) return false;
  taken_ += count;
  return true;
}

void semaphore::release(std::size_t count) noexcept {
  parking::wake_list admitted;
  {
    std::lock_guard held(lock_);
    RAMIE_CHECK(count <= taken_);
    taken_ -= count;
    admit(admitted);
  }
  admitted.wake_all();
}

void semaphore::set_limit(std::size_t limit) noexcept {
  parking::wake_list admitted;
  {
    std::lock_guard held(lock_);
    limit_ = limit;
    highest_ = std::max(highest_, limit);
    admit(admitted);
  }
  admitted.wake_all();
}

void semaphore::admit(parking::wake_list& admitted) noexcept {
  while (!waiters_.empty() && has_room(waiters_.first()->asked)) {
    waiter& one = *waiters_.pop_front();
    --waiting_;
    taken_ += one.asked;
    admitted.add(one);
  }
}

std::size_t semaphore::limit() const noexcept {
  std::lock_guard held(lock_);
  return limit_;
}
std::size_t semaphore::taken() const noexcept {
  std::lock_guard held(lock_);
  return taken_;
}
std::size_t semaphore::waiting() const noexcept {
  std::lock_guard held(lock_);
  return waiting_;
}

}  // namespace ramie::inline v0
