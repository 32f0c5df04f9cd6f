// Something that is done once, whoever comes first: the others wait until it is done.
//
// Status: experimental.
//
//     ramie::once_flag made;
//     ramie::call_once(made, [&] { table = build(); });       // when it throws, the next one to come tries
//
// As std::call_once, but the function may wait. Any thread. Cost once it is done: a load.
#pragma once

#include <ramie/mutex.hpp>

#include <atomic>
#include <functional>
#include <mutex>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {

class once_flag {
 public:
  once_flag() noexcept = default;
  once_flag(const once_flag&) = delete;
  once_flag& operator=(const once_flag&) = delete;

 private:
  template <class F, class... A>
  friend void call_once(once_flag& flag, F&& body, A&&... arguments);
  std::atomic<bool> done_ = false;
  mutex doing_;
};

// Throws what the body throws, cancelled when told to go while another does it, and std::system_error when the body
// comes here again.
template <class F, class... A>
void call_once(once_flag& flag, F&& body, A&&... arguments) {
  if (flag.done_.load(std::memory_order_acquire)) [[likely]]
    return;
  const std::lock_guard held(flag.doing_);
  if (flag.done_.load(std::memory_order_relaxed)) return;
  std::invoke(std::forward<F>(body), std::forward<A>(arguments)...);
  flag.done_.store(true, std::memory_order_release);
}

}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
