// Running tasks on the calling thread.
//
// Status: experimental.
//
//     int main() {
//       return ramie::run([] {                              // main is the first task
//         ramie::with_scope([](ramie::scope& s) { s.spawn([] { ... }); });
//         return 0;                                         // run returns this when all that was left behind has ended
//       });
//     }
//
// One scheduler, one thread: run() may be called again, and on several threads at once; they share nothing. A second
// run() on a thread whose tasks are running is refused.
#pragma once

#include <ramie/task.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>

#pragma GCC visibility push(default)
namespace ramie {

enum class clock_kind : unsigned char {
  monotonic,
  fake  // stands still while anything can run; when nothing can, goes to the next timer at once: for tests
};

struct runtime_options {
  label name = {};
  clock_kind clock = clock_kind::monotonic;
  // A failure that nobody else will see: the second one in a scope. Null: one line on standard error. On the thread
  // that runs the task; must not throw.
  void (*unseen_error)(std::exception_ptr error, const char* task_name) = nullptr;
  // A signal that asks a process that hangs what its tasks do: SIGQUIT. 0: none. While the runtime lives, `kill -QUIT
  // PID` writes dump_tasks() to standard error at the scheduler's next look, within a millisecond where tasks wait; the
  // process goes on. A task that runs just then is named at once, with its stack, as it may never let the scheduler
  // look. What the signal did before comes back when the last runtime that wanted it goes. A number that is no signal
  // that can be caught: std::system_error out of the constructor.
  int dump_signal = 0;
};

// The scheduler of a thread. Made, used and destroyed on one thread; post() and stop() may be called from any.
class runtime {
 public:
  explicit runtime(runtime_options options = {});
  ~runtime();
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  // Runs `main` as the first task: main() or main(scope&), whose scope is the longest there is. Returns its value when
  // it and all that was spawned have ended. Throws what escaped; deadlock when all wait and nothing can wake them;
  // task_cancelled after stop(); std::logic_error inside a task, where run_once() is meant.
  template <class F>
  requires(std::invocable<F> || std::invocable<F, scope&>) decltype(auto) run(F&& main) {
    if constexpr (std::invocable<F, scope&>) {
      using R = std::invoke_result_t<F, scope&>;
      tasking::returned<R> result;
      auto body = [&] { result.fill([&]() -> R { return with_scope(std::forward<F>(main)); }); };
      run_main(&tasking::call<decltype(body)>, &body);
      return result.take();
    } else {
      using R = std::invoke_result_t<F>;
      tasking::returned<R> result;
      auto body = [&] { result.fill(std::forward<F>(main)); };
      run_main(&tasking::call<decltype(body)>, &body);
      return result.take();
    }
  }

  // Queues a task from any thread; it runs during the next run() or run_once(). Throws std::bad_alloc. What escapes it
  // goes to unseen_error.
  void post(std::function<void()> body, task_options options = {}, call_site site = call_site::current());

  // Runs posted tasks until none is left, at most for `duration`. True when none is left. For host loops and tests.
  bool run_once(std::chrono::nanoseconds duration);

  // From any thread: asks all tasks to go; run() then throws task_cancelled with this cause.
  void stop(std::exception_ptr cause = {}) noexcept;

 private:
  void run_main(void (*body)(void*), void* argument);
  struct [[gnu::visibility("hidden")]] state;
  std::unique_ptr<state> state_;
};

template <class F>
requires(std::invocable<F> || std::invocable<F, scope&>) decltype(auto) run(F&& main, runtime_options options = {}) {
  return runtime(options).run(std::forward<F>(main));
}

}  // namespace ramie
#pragma GCC visibility pop
