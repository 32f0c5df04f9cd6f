// The floor: a generator of C++20 coroutines, as small as it can be written by hand. It cannot be yielded to from a
// called function, so a recursive walk needs one per level.
#pragma once

#include <coroutine>
#include <exception>
#include <utility>

namespace ramie::peer {

template <class T>
class stackless {
 public:
  struct promise_type {
    T value;
    stackless get_return_object() { return stackless(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    std::suspend_always yield_value(T next) noexcept {
      value = next;
      return {};
    }
    void return_void() noexcept {}
    void unhandled_exception() { std::terminate(); }
  };

  explicit stackless(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  stackless(stackless&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  stackless& operator=(stackless&&) = delete;
  ~stackless() {
    if (handle_) handle_.destroy();
  }
  bool step() {
    handle_.resume();
    return !handle_.done();
  }
  [[nodiscard]] const T& value() const { return handle_.promise().value; }

 private:
  std::coroutine_handle<promise_type> handle_;
};

}  // namespace ramie::peer
