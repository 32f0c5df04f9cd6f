#include <ramie/condition_variable.hpp>

#include <mutex>
#include <system_error>

namespace ramie::inline v0 {

using parking::waiter;

struct condition_waits {
  using waited = condition_variable;
  static constexpr parking::wait_kind kind = {"condition variable",
                                              &parking::leave_list<waited, &waited::lock_, &waited::waiters_>};
};

condition_variable::~condition_variable() {
  std::lock_guard held(lock_);
  parking::check_deserted(waiters_, "condition_variable");
}

void condition_variable::wait(std::unique_lock<mutex>& held) {
  if (!held.owns_lock()) {
    throw std::system_error(std::make_error_code(std::errc::operation_not_permitted),
                            "condition_variable: the caller's unique_lock does not hold a mutex");
  }
  // However the wait ends, the mutex is taken again before anybody hears of it.
  struct given_up {
    mutex& one;
    explicit given_up(mutex& m) noexcept : one(m) { one.unlock(); }
    given_up(const given_up&) = delete;
    given_up& operator=(const given_up&) = delete;
    ~given_up() { one.lock_for_good(); }
  };
  waiter self;
  self.object = this;
  {
    std::lock_guard inside(lock_);
    waiters_.push_back(self);
  }
  const given_up meanwhile(*held.mutex());
  parking::park(self, condition_waits::kind);
}

void condition_variable::notify_one() noexcept {
  waiter* one = nullptr;
  {
    std::lock_guard held(lock_);
    one = waiters_.take_front();
  }
  if (one != nullptr) parking::wake(*one);
}

void condition_variable::notify_all() noexcept {
  parking::wake_list all;
  {
    std::lock_guard held(lock_);
    all.take_all(waiters_);
  }
  all.wake_all();
}

}  // namespace ramie::inline v0
