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
// run() on a thread whose tasks are running is refused. run_per_core() runs one on each of several threads and lets
// them send each other work.
#pragma once

#include <ramie/task.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {

enum class clock_kind : unsigned char {
  monotonic,
  fake  // stands still while anything can run; when nothing can, goes to the next timer at once: for tests
};

// How a thread's operations on descriptors wait. It is made at the first of them; a program without any has none.
enum class io_kind : unsigned char {
  automatic,  // RAMIE_IO=uring or RAMIE_IO=epoll; without it io_uring where it works, else epoll
  uring,      // where it does not work, the first operation throws std::system_error: why, and what to do
  epoll,
  fake  // nothing happens but what a test has written down: for tests of ramie itself
};

struct runtime_options {
  label name = {};
  clock_kind clock = clock_kind::monotonic;
  io_kind io = io_kind::automatic;
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

// Work was sent to a runtime that is gone.
class runtime_gone : public std::runtime_error {
 public:
  runtime_gone() : std::runtime_error("the runtime that this was sent to is gone") {}
};

// A runtime of any thread: does not own it, may be copied and may outlive it. Any thread. What is sent to a runtime
// that lives but never runs again is given up when it goes: functions are destroyed, tasks are cancelled.
class runtime_ref {
 public:
  runtime_ref() noexcept = default;

  // As runtime::post(). False: it is gone, and the function was destroyed. Throws std::bad_alloc.
  bool post(std::function<void()> body, task_options options = {}, call_site site = call_site::current()) const;
  // As runtime::stop(). False: it is gone.
  bool stop(std::exception_ptr cause = {}) const noexcept;
  [[nodiscard]] bool lives() const noexcept;

  // A task in that runtime's longest scope, which the caller may join, cancel and ask for its result from here. Its
  // failure is that scope's. fiber_local values are not inherited. Throws runtime_gone, std::bad_alloc, and what
  // copying the function throws. About a microsecond, and the wake of a thread that sleeps.
  template <class F>
  requires std::invocable < std::decay_t<F>
  & > task<tasking::result_of<F>> spawn(F&& body, task_options options = {},
                                        call_site site = call_site::current()) const {
    using R = tasking::result_of<F>;
    using payload = tasking::payload<std::decay_t<F>, R>;
    tasking::record* made = create(payload::bytes, &payload::how, options, site);
    payload* place = nullptr;
    try {
      place = ::new (payload::place_in(tasking::payload_of(made))) payload{};
      place->body.emplace(std::forward<F>(body));
    } catch (...) {
      discard(made);
      throw;
    }
    send(made);
    return task<R>(made, &place->result);
  }

 private:
  friend class runtime;
  struct [[gnu::visibility("hidden")]] link;
  explicit runtime_ref(std::shared_ptr<link> to) noexcept : link_(std::move(to)) {}
  tasking::record* create(std::size_t payload_bytes, const tasking::operations* how, const task_options& options,
                          const call_site& site) const;
  static void discard(tasking::record* one) noexcept;
  void send(tasking::record* one) const;  // throws runtime_gone; the record is destroyed then
  std::shared_ptr<link> link_;
};

// The scheduler of a thread. Made, used and destroyed on one thread; post() and stop() may be called from any.
class runtime {
 public:
  explicit runtime(runtime_options options = {});
  // Tasks that run_once() or run_ready() began and that have not ended are cancelled, and waited for.
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

  // For a thread that waits in a loop of somebody else's (GLib, libuv, Qt, epoll): see docs/guide/host-loops.md.
  //
  // A descriptor for that loop to watch, level triggered: readable when run_ready() has something to do, also when
  // another thread has sent it. It stays the runtime's and is the same each time; it is not to be read. The home
  // thread's. Throws std::system_error when the poller is refused, std::logic_error with a fake clock.
  [[nodiscard]] int descriptor();
  // Runs what is ready, without sleeping, for about one round (at most 64 slices of 4,000 reductions). Returns after
  // what time it has to be called again although the descriptor says nothing: when the next timer is due; empty: there
  // is none, or the descriptor is readable already because more is ready. Starts no thread. Throws what run_once()
  // throws.
  std::optional<std::chrono::nanoseconds> run_ready();

  // From any thread: asks all tasks to go; run() then throws task_cancelled with this cause.
  void stop(std::exception_ptr cause = {}) noexcept;

  // For those who may outlive it.
  [[nodiscard]] runtime_ref ref() const noexcept;

 private:
  friend class runtime_ref;
  void run_main(void (*body)(void*), void* argument);
  struct [[gnu::visibility("hidden")]] state;
  std::unique_ptr<state> state_;
};

template <class F>
requires(std::invocable<F> || std::invocable<F, scope&>) decltype(auto) run(F&& main, runtime_options options = {}) {
  return runtime(options).run(std::forward<F>(main));
}

struct per_core_options {
  bool pin = false;  // each thread to one processor; a refusal is a line on standard error, and the thread goes on
  runtime_options runtime = {};
};

class cores;

inline namespace v0 {
namespace tasking {
using core_main = void (*)(void* main, unsigned index, cores& all);
void run_on_cores(unsigned count, const per_core_options& options, core_main main, void* argument);
}  // namespace tasking
}  // namespace v0

// The schedulers of a run_per_core(), for its tasks on any of them. Work that has not started goes from one to another;
// what has started stays (thread_local and locks keep their meaning).
class cores {
 public:
  cores(const cores&) = delete;
  cores& operator=(const cores&) = delete;

  [[nodiscard]] unsigned size() const noexcept;

  // A task on that core: see runtime_ref::spawn(). Throws std::out_of_range, too.
  template <class F>
  requires std::invocable < std::decay_t<F>
  & > task<tasking::result_of<F>> spawn_on(unsigned core, F&& body, task_options options = {},
                                           call_site site = call_site::current()) {
    return ref(core).spawn(
        [counted = open_work(*this), body = std::decay_t<F>(std::forward<F>(body))]() mutable -> tasking::result_of<F> {
          return std::invoke(body);
        },
        options, site);
  }

  // A task on whichever core comes to it first: each takes one at a time, behind what is ready there already, so those
  // with little to do take most and one that is blocked takes none. What escapes it is a failure as of a main. Throws
  // std::bad_alloc.
  template <class F>
  requires std::invocable < std::decay_t<F>
  & > void submit(F&& body, task_options options = {}, call_site site = call_site::current()) {
    struct work_of final : work {
      std::decay_t<F> body;
      work_of(cores& all, F&& given) : work(all), body(std::forward<F>(given)) {}
      void run() override { std::invoke(body); }
    };
    auto one = std::make_unique<work_of>(*this, std::forward<F>(body));
    one->options = options;
    one->site = site;
    put(std::move(one));
  }

  [[nodiscard]] runtime_ref ref(unsigned core) const;

 private:
  friend void tasking::run_on_cores(unsigned, const per_core_options&, tasking::core_main, void*);
  struct [[gnu::visibility("hidden")]] state;
  // As long as there is one, no core ends.
  class open_work {
   public:
    explicit open_work(cores& of) noexcept : of_(&of) { of.add_one(); }
    open_work(open_work&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    open_work& operator=(open_work&&) = delete;
    ~open_work() {
      if (of_ != nullptr) of_->end_one();
    }

   private:
    cores* of_;
  };
  struct work {
    explicit work(cores& all) noexcept : counted(all) {}
    virtual ~work() = default;
    virtual void run() = 0;
    open_work counted;
    work* next = nullptr;
    task_options options;
    call_site site{"", 0};
  };

  cores();
  ~cores();
  void add_one() noexcept;
  void end_one() noexcept;
  void put(std::unique_ptr<work> one) noexcept;
  void run(unsigned count, const per_core_options& options, tasking::core_main main, void* argument);

  std::unique_ptr<state> state_;
};

// Runs main(index) or main(index, cores&) as the main task of `count` schedulers, each on a thread of its own; the
// caller's is the first. 0: as many as the process may use processors, by affinity and by its control groups' quota.
// Returns when all have ended, and all that was sent and submitted. The first failure cancels all tasks on the other
// cores, with itself as the cause, and is thrown here; later ones go to unseen_error. Throws std::system_error when a
// thread is refused: nothing has run then. A deadlock across cores is not found: other threads might always wake one.
template <class F>
requires(std::invocable<F&, unsigned> ||
         std::invocable<F&, unsigned, cores&>) void run_per_core(unsigned count, F&& main,
                                                                 per_core_options options = {}) {
  tasking::run_on_cores(
      count, options,
      [](void* argument, unsigned index, cores& all) {
        auto& function = *static_cast<std::remove_reference_t<F>*>(argument);
        if constexpr (std::invocable<F&, unsigned, cores&>) {
          std::invoke(function, index, all);
        } else {
          std::invoke(function, index);
        }
      },
      const_cast<void*>(static_cast<const void*>(std::addressof(main))));
}

}  // namespace ramie
#pragma GCC visibility pop
