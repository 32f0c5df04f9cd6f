// Tasks: functions that run side by side on one thread, each on a fiber of its own, and end before their scope does.
//
// Status: experimental.
//
//     ramie::with_scope([&](ramie::scope& s) {                // body and children are one unit
//       s.spawn([&] { produce(jobs); jobs.close(); }, {.name = "producer"});
//       ramie::task<page> t = s.spawn([] { return fetch(); });
//       page p = ramie::with_timeout(200ms, [&] { return t.get(); });
//     });                                                      // all of them have ended
//
// Only a scope spawns: a function that may leave work behind takes a `scope&`, and its signature says so. spawn()
// queues and never switches. The first failure among body and children cancels the rest; all are waited for; with_scope
// throws that failure as itself. What children use is declared outside their scope.
//
// Cancelling is a request to a scope, a task or a time limit, delivered as ramie::cancelled at a wait or at check(),
// once, to the outermost one that asked; not through a shield, not while an exception is on its way already. An
// operation that can finish at once does so even when its time is over.
//
// Thread rules: all of this is for the thread whose run() (runtime.hpp) runs the task, unless it says otherwise.
#pragma once

#include <ramie/call_site.hpp>
#include <ramie/fiber.hpp>
#include <ramie/label.hpp>
#include <ramie/park/arm.hpp>
#include <ramie/park/cancel_scope.hpp>
#include <ramie/park/returned.hpp>
#include <ramie/park/running.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#pragma GCC visibility push(default)
namespace ramie {

struct task_options {
  std::size_t stack_bytes = 0;  // as of fiber_options
  label name = {};              // shown in dumps and reports
  bool transient = false;       // keeps nobody waiting; cancelled when only such are left in its scope
  // A task gets its stack when it starts, and fails with stack_error where none is to be had: a failure of its scope.
  // With this spawn() takes it, or throws that error with nothing moved from: a server refuses one request and goes on.
  bool stack_at_spawn = false;
};

enum class task_state {
  ready,    // has not started, or may go on
  running,  // on the processor
  waiting,
  finished,
  failed,    // by an exception
  cancelled  // told to go, and gone; or it never started
};
[[nodiscard]] const char* name_of(task_state state) noexcept;

// The task whose result is asked for was cancelled.
class task_cancelled : public std::runtime_error {
 public:
  explicit task_cancelled(std::exception_ptr cause);
  [[nodiscard]] std::exception_ptr cause() const noexcept { return cause_; }

 private:
  std::exception_ptr cause_;
};

// The time of a with_timeout or with_deadline was over; code() is std::errc::timed_out. Each limit throws its own,
// after its block has been left: an inner limit's is never taken for an outer one's.
class timed_out : public std::system_error {
 public:
  timed_out() : std::system_error(std::make_error_code(std::errc::timed_out), "the time limit of a block") {}
};

// All tasks wait and nothing can wake them.
class deadlock : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <class T>
class task;
class scope;
class runtime_ref;

inline namespace v0 {

// What the templates below share; not for direct use.
namespace tasking {

struct record;

struct operations {
  void (*run)(void* payload);
  void (*destroy_body)(void* payload) noexcept;
  void (*destroy_result)(void* payload) noexcept;
};

struct scope_state : parking::block_scope {
  parking::host* home = nullptr;
  std::exception_ptr failure;  // the first
  std::size_t living = 0;      // children that have not ended
  std::size_t transient = 0;   // of these
  parking::wait_list joiners;  // who waits for them to end
  bool* all_ended = nullptr;   // set when no child is left
  bool closed = false;
};

inline constexpr std::size_t record_bytes = 256;
// A task that has not started, queued in the scope's thread; the caller constructs the payload before it waits. One
// reference is the caller's. Throws std::bad_alloc, and std::logic_error for a closed scope or another thread's.
record* create(scope_state& parent, std::size_t payload_bytes, const operations* how, const task_options& options,
               const call_site& site);
void discard(record* one) noexcept;  // the payload could not be constructed
void submit(record* one) noexcept;
inline void* payload_of(record* one) noexcept { return reinterpret_cast<std::byte*>(one) + record_bytes; }

void hold(record* one) noexcept;
void drop(record* one) noexcept;
void join(record* one);
void check_result(record* one);  // joins; throws what get() throws
bool cancel(record* one, std::exception_ptr cause) noexcept;
// For select(): throws std::logic_error for an empty handle, and on another thread than the task's.
[[nodiscard]] bool has_ended_here(const record* one);
void enlist_joiner(record* one, parking::waiter& joiner) noexcept;
void withdraw_joiner(record* one, parking::waiter& joiner) noexcept;
[[nodiscard]] task_state state_of(const record* one) noexcept;
[[nodiscard]] const char* name_of(const record* one) noexcept;

void run_block(scope_state& scope, void (*body)(void*), void* argument);
// False: the limit ended it. `due_ns` on the host's clock.
bool run_limited(std::int64_t due_ns, bool shields, void (*body)(void*), void* argument);
[[nodiscard]] std::int64_t due_after(std::chrono::nanoseconds duration);
[[nodiscard]] std::int64_t due_at(std::chrono::steady_clock::time_point time);
void join_children(scope_state& scope);
void cancel(scope_state& scope, std::exception_ptr cause) noexcept;

template <class F>
void call(void* argument) {
  (*static_cast<F*>(argument))();
}

using parking::returned;

template <class F, class R>
struct payload {
  std::optional<F> body;
  returned<R> result;

  // Records lie as all memory of operator new; what wants more finds its place behind.
  static constexpr std::size_t extra_bytes = alignof(payload) > alignof(std::max_align_t)
                                                 ? alignof(payload) - alignof(std::max_align_t)
                                                 : 0;
  static constexpr std::size_t bytes = sizeof(payload) + extra_bytes;
  static void* place_in(void* memory) noexcept {
    if constexpr (extra_bytes == 0) return memory;
    const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(memory);
    return static_cast<std::byte*>(memory) + (~address + 1) % alignof(payload);
  }
  static payload& at(void* memory) noexcept { return *std::launder(static_cast<payload*>(place_in(memory))); }

  static void run(void* memory) {
    auto& self = at(memory);
    self.result.fill([&]() -> R { return std::invoke(*self.body); });
  }
  static void destroy_body(void* memory) noexcept { at(memory).body.reset(); }
  static void destroy_result(void* memory) noexcept { std::destroy_at(&at(memory)); }
  static constexpr operations how = {&run, &destroy_body, &destroy_result};
};

template <class F>
using result_of = std::invoke_result_t<std::decay_t<F>&>;

}  // namespace tasking
}  // namespace v0

// Watches a task; copies of nothing, moved. Dropping it changes nothing; a late get() works, the result is kept for it.
// Any thread may hold it and ask; a thread without a scheduler that joins is blocked.
template <class T>
class task {
 public:
  task() noexcept = default;
  task(task&& other) noexcept
      : record_(std::exchange(other.record_, nullptr)), result_(std::exchange(other.result_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      if (record_ != nullptr) tasking::drop(record_);
      record_ = std::exchange(other.record_, nullptr);
      result_ = std::exchange(other.result_, nullptr);
    }
    return *this;
  }
  ~task() {
    if (record_ != nullptr) tasking::drop(record_);
  }

  // Waits until it has ended, however. Does not throw its error; throws cancelled when the caller is told to go.
  void join() const { tasking::join(record_); }
  // Its result, moved out, once (again: std::logic_error). Throws what escaped it; task_cancelled when it was
  // cancelled.
  T get() {
    tasking::check_result(record_);
    if (result_ == nullptr) throw std::logic_error("the result of this task was taken already");
    return std::exchange(result_, nullptr)->take();
  }
  // Asks it to go; does not wait. False when it had ended, or was asked before.
  bool cancel(std::exception_ptr cause = {}) noexcept { return tasking::cancel(record_, std::move(cause)); }
  [[nodiscard]] task_state state() const noexcept { return tasking::state_of(record_); }
  [[nodiscard]] bool done() const noexcept { return state() >= task_state::finished; }
  [[nodiscard]] const char* name() const noexcept { return tasking::name_of(record_); }
  [[nodiscard]] explicit operator bool() const noexcept { return record_ != nullptr; }

 private:
  friend class scope;
  friend class runtime_ref;
  template <class U, class F>
  friend class task_arm;
  task(tasking::record* one, tasking::returned<T>* result) noexcept : record_(one), result_(result) {}
  tasking::record* record_ = nullptr;
  tasking::returned<T>* result_ = nullptr;
};

// An arm of select() (select.hpp), on the task's own thread: when the task has ended, the body gets what get() returns;
// or nothing, when it takes nothing, and then what escaped the task stays in it.
template <class T, class F>
class task_arm final : public parking::arm {
 public:
  task_arm(task<T>& of, F body) : of_(of), body_(std::move(body)) {}
  parking::arm_state try_now() override {
    return tasking::has_ended_here(of_.record_) ? parking::arm_state::happened : parking::arm_state::not_yet;
  }
  bool enlist() noexcept override {
    tasking::enlist_joiner(of_.record_, me);
    return true;
  }
  void withdraw() noexcept override { tasking::withdraw_joiner(of_.record_, me); }
  bool has_happened() noexcept override { return true; }
  void run() override {
    if constexpr (std::is_invocable_v<F>) {
      std::invoke(body_);
    } else {
      std::invoke(body_, of_.get());
    }
  }

 private:
  task<T>& of_;
  F body_;
};
template <class T, class F>
[[nodiscard]] task_arm<T, std::decay_t<F>> on(task<T>& of, F&& body) {
  return {of, std::forward<F>(body)};
}

// Who may leave tasks behind, and where they end. Made by with_scope and by run.
class scope {
 public:
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;

  // Queues a task that calls `body`; it starts at the caller's next wait, in order. Throws std::bad_alloc, what copying
  // the body throws, std::logic_error when the scope has ended or belongs to another thread, and stack_error when
  // options.stack_at_spawn asks for that. About 30 ns.
  template <class F>
  requires std::invocable < std::decay_t<F>
  & > task<tasking::result_of<F>> spawn(F&& body, task_options options = {}, call_site site = call_site::current()) {
    using R = tasking::result_of<F>;
    using payload = tasking::payload<std::decay_t<F>, R>;
    tasking::record* made = tasking::create(state_, payload::bytes, &payload::how, options, site);
    payload* place = nullptr;
    try {
      place = ::new (payload::place_in(tasking::payload_of(made))) payload{};
      place->body.emplace(std::forward<F>(body));
    } catch (...) {
      tasking::discard(made);
      throw;
    }
    tasking::submit(made);
    return task<R>(made, &place->result);
  }

  // Waits for the children so far, transient ones excepted. A limit around it ends the wait, not the children.
  void join() { tasking::join_children(state_); }
  // Asks the body and all children to go. Never waits.
  void cancel(std::exception_ptr cause = {}) noexcept { tasking::cancel(state_, std::move(cause)); }
  // Children that have not ended.
  [[nodiscard]] std::size_t size() const noexcept { return state_.living; }

 private:
  template <std::invocable<scope&> F>
  friend std::invoke_result_t<F, scope&> with_scope(F&& body);
  scope() noexcept = default;
  tasking::scope_state state_;
};

// Runs `body`, then waits until all children of the scope have ended. Throws the first failure of body and children;
// later ones go to runtime_options::unseen_error. When s.cancel() ended the body: returns, or throws task_cancelled
// where a value is due.
template <std::invocable<scope&> F>
std::invoke_result_t<F, scope&> with_scope(F&& body) {
  scope one;
  tasking::returned<std::invoke_result_t<F, scope&>> result;
  auto run = [&] { result.fill([&]() -> std::invoke_result_t<F, scope&> { return std::invoke(body, one); }); };
  tasking::run_block(one.state_, &tasking::call<decltype(run)>, &run);
  if constexpr (!std::is_void_v<std::invoke_result_t<F, scope&>>) {
    if (!result.filled()) throw task_cancelled(one.state_.cause);
  }
  return result.take();
}

// Runs `body` with a time limit; when the time is over, what it waits for is called off and timed_out is thrown here.
template <std::invocable F>
std::invoke_result_t<F> with_timeout(std::chrono::nanoseconds duration, F&& body) {
  tasking::returned<std::invoke_result_t<F>> result;
  auto run = [&] { result.fill(std::forward<F>(body)); };
  if (!tasking::run_limited(tasking::due_after(duration), false, &tasking::call<decltype(run)>, &run))
    throw timed_out();
  return result.take();
}
template <std::invocable F>
std::invoke_result_t<F> with_deadline(std::chrono::steady_clock::time_point time, F&& body) {
  tasking::returned<std::invoke_result_t<F>> result;
  auto run = [&] { result.fill(std::forward<F>(body)); };
  if (!tasking::run_limited(tasking::due_at(time), false, &tasking::call<decltype(run)>, &run)) throw timed_out();
  return result.take();
}
template <class Duration, std::invocable F>
void with_deadline(std::chrono::time_point<std::chrono::system_clock, Duration>, F&&) = delete;  // steady_clock only

namespace tasking {
template <class R>
using perhaps = std::conditional_t<std::is_void_v<R>, bool, std::optional<R>>;
template <class F>
perhaps<std::invoke_result_t<F>> run_perhaps(std::chrono::nanoseconds duration, bool shields, F& body) {
  using R = std::invoke_result_t<F>;
  returned<R> result;
  auto run = [&] { result.fill(body); };
  const bool in_time = run_limited(due_after(duration), shields, &call<decltype(run)>, &run);
  if constexpr (std::is_void_v<R>) {
    return in_time;
  } else {
    return in_time ? std::optional<R>(result.take()) : std::nullopt;
  }
}
}  // namespace tasking

// As with_timeout, but says in its value whether it was in time: bool, or std::optional of the body's value.
template <std::invocable F>
[[nodiscard]] tasking::perhaps<std::invoke_result_t<F>> try_for(std::chrono::nanoseconds duration, F&& body) {
  return tasking::run_perhaps(duration, false, body);
}
// As try_for, and no request from outside reaches the body before its time is over: for cleaning up.
template <std::invocable F>
tasking::perhaps<std::invoke_result_t<F>> with_shield(std::chrono::nanoseconds grace, F&& body) {
  return tasking::run_perhaps(grace, true, body);
}

// Runs all, each as a task; the results in order. The first failure cancels the others and is thrown.
template <std::invocable... F>
std::tuple<std::conditional_t<std::is_void_v<tasking::result_of<F>>, std::monostate, tasking::result_of<F>>...>
when_all(F&&... bodies) {
  return with_scope([&](scope& s) {
    auto tasks = std::tuple{s.spawn(std::ref(bodies))...};
    s.join();
    return std::apply(
        [](auto&... one) {
          return std::tuple<
              std::conditional_t<std::is_void_v<tasking::result_of<F>>, std::monostate, tasking::result_of<F>>...>{
              [&]() -> decltype(auto) {
                if constexpr (std::is_void_v<decltype(one.get())>) {
                  one.get();
                  return std::monostate{};
                } else {
                  return one.get();
                }
              }()...};
        },
        tasks);
  });
}

// Runs all, each as a task, until one returns: its value, at its place in the variant; the others are cancelled and
// waited for. When all fail, the first failure is thrown.
template <std::invocable... F>
std::variant<std::conditional_t<std::is_void_v<tasking::result_of<F>>, std::monostate, tasking::result_of<F>>...>
when_any(F&&... bodies) {
  using value =
      std::variant<std::conditional_t<std::is_void_v<tasking::result_of<F>>, std::monostate, tasking::result_of<F>>...>;
  std::optional<value> first;
  std::exception_ptr failure;
  with_scope([&](scope& s) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      auto run = [&]<std::size_t Place>(std::integral_constant<std::size_t, Place>, auto& body) {
        s.spawn([&] {
          try {
            if constexpr (std::is_void_v<std::invoke_result_t<decltype(body)>>) {
              std::invoke(body);
              if (!first) first.emplace(std::in_place_index<Place>);
            } else {
              auto result = std::invoke(body);
              if (!first) first.emplace(std::in_place_index<Place>, std::move(result));
            }
          } catch (const cancelled&) {
            throw;
          } catch (...) {
            if (std::current_exception() == nullptr) throw;  // a forced unwinding is none
            if (!failure) failure = std::current_exception();
            return;
          }
          s.cancel();
        });
      };
      (run(std::integral_constant<std::size_t, I>{}, bodies), ...);
    }
    (std::index_sequence_for<F...>{});
  });
  if (!first) {
    if (failure) std::rethrow_exception(failure);
    throw task_cancelled(nullptr);
  }
  return *std::move(first);
}

namespace this_task {

// To the end of the line of those that are ready. On a thread without a scheduler: std::this_thread::yield().
void yield() noexcept;
// Waits. Throws cancelled when told to go. On a thread without a scheduler the thread sleeps.
void sleep_until(std::chrono::steady_clock::time_point time);
void sleep_for(std::chrono::nanoseconds duration);
template <class Duration>
void sleep_until(std::chrono::time_point<std::chrono::system_clock, Duration>) = delete;  // steady_clock only

// Charges the slice of 4,000 for work that has no waits in it; when it is spent, others run. About 1 ns.
inline void reduce(std::int64_t reductions = 1) noexcept { parking::charge(reductions); }
// Throws cancelled when the task was told to go and does not know it yet. Charges one reduction, so a loop that only
// computes and checks lets the others run, and hears of its time limit.
void check();

// For foreign code: stopped when this task is to be told to go, by the innermost block (scope, limit, task) that the
// call stands in or one further out, up to the first shield. A block that has ended stops its token no more. Callbacks
// run on this thread, in whoever cancels, and must not wait. A thread without a task gets one that never stops. The
// first call in a block allocates; tasks that never call pay nothing.
[[nodiscard]] std::stop_token stop_token();

// What the task is doing, for dumps: text made at run time.
void annotate(std::string_view text);
[[nodiscard]] const char* name() noexcept;
// The time on the clock of this task's scheduler, which may be a fake one.
[[nodiscard]] std::chrono::steady_clock::time_point now() noexcept;

// While one of these lives, a spent slice does not let others run. Waits still do.
class no_yield {
 public:
  no_yield() noexcept;
  ~no_yield();
  no_yield(const no_yield&) = delete;
  no_yield& operator=(const no_yield&) = delete;
};

// What the running task has used: reductions, and milliseconds on the processor as a tick of 1 ms saw them.
struct usage {
  std::uint64_t reductions;
  std::uint32_t processor_ms;
};
[[nodiscard]] usage used() noexcept;

}  // namespace this_task

struct dump_options {
  bool stacks = true;            // the frames of each, with names where they are known
  std::size_t frames_most = 16;  // of one stack, the newest; at most 20
};

// Every task of the calling thread's scheduler: name, annotation, what it waits for, where it was spawned, reductions
// and milliseconds used, and its stack, through the fibers that it resumed. From 1,000 tasks on those that were spawned
// at one place and wait at one place are shown once and counted. Empty on a thread that runs no tasks. Costs 2 us for
// each stack, and once the start of the program that knows the names (docs/guide/tasks.md), two seconds at most for
// every 512 different frames; without it exported names are all that is known. Throws std::bad_alloc.
[[nodiscard]] std::string dump_tasks(const dump_options& options = {});

}  // namespace ramie
#pragma GCC visibility pop
