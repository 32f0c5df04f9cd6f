// Running code that blocks, or computes for long, on another thread while the fiber waits and others run.
//
// Status: experimental.
//
//     auto addresses = ramie::offload([&] { return look_up(name); });            // a result, or what was thrown
//     ramie::offload([&](std::stop_token stop) {
//       ramie::unblock_callback wake_it(stop, [&] { shutdown(socket, SHUT_RDWR); });
//       return native_read(socket);
//     });
//
// Any thread may call: a task parks, a thread without a scheduler blocks. The wait does not end before the function
// has: it may use what lies in the caller's frame. A task that is told to go while its call still waits for a thread
// takes it back, and it never runs. One that runs is asked to stop by its token; the wait goes on until it has
// returned. A call that ended with a result returns it, and the cancellation stays for the next wait; what escapes a
// function after it was asked to stop is taken for its answer to that, and ramie::cancelled is thrown instead.
//
// The function runs on a thread of the pool: this_task, fiber_local and waiting for the caller's mutexes mean nothing
// there, channels and events work, and signals are blocked. A call costs two changes of threads: about 10 us when
// both sleep, 1 us when there is much to do.
//
// Errors: std::system_error with errc::resource_unavailable_try_again when the queue is full or the system gives the
// pool not even one thread; errc::operation_canceled in the child of a fork, for calls that the parent's threads run.
#pragma once

#include <ramie/label.hpp>
#include <ramie/park/returned.hpp>
#include <ramie/park/wait_list.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {

struct offload_options {
  unsigned threads = 0;              // at most; 0: four for each processor that we may use, and not less than 16
  std::size_t queue_limit = 10'000;  // calls that may wait for a thread; one more is refused
  label name = "offload";            // of the pool in errors, and of its threads
  std::size_t stack_bytes = 0;       // of a thread; 0: the system's default
  std::chrono::nanoseconds keep_idle = std::chrono::seconds(10);  // a thread that has had nothing to do so long ends
};

// Every call is in one of: queued, running, done, withdrawn, rejected.
struct offload_statistics {
  std::size_t threads = 0;            // alive, or being started
  std::size_t running = 0;            // calls on a thread
  std::size_t queued = 0;             // calls that wait for one
  std::size_t longest_queue = 0;      // most that ever waited
  std::uint64_t done = 0;             // returned or threw
  std::uint64_t withdrawn = 0;        // taken back while they waited: never ran
  std::uint64_t rejected = 0;         // refused with an error
  std::uint64_t cancelled = 0;        // asked to stop while they ran; they are running or done, too
  std::uint64_t abandoned = 0;        // their callers left while they ran; they are running or done, too
  std::uint64_t threads_refused = 0;  // threads that the system would not start
};

inline namespace v0 {

// What the templates below share; not for direct use.
namespace offloading {

struct [[gnu::visibility("hidden")]] pool;
struct job;

// Called again and again while a function that was asked to stop has not returned. Lies in that function's frame.
struct unblock_entry {
  void (*call)(unblock_entry& self) noexcept = nullptr;
  job* of = nullptr;
  unblock_entry* next = nullptr;
  unblock_entry* previous = nullptr;
  bool being_called = false;
};
// False: this thread does not run the function that `stop` was given to.
[[nodiscard]] bool attach(unblock_entry& one, const std::stop_token& stop) noexcept;
// Afterwards it is not being called, and will not be.
void detach(unblock_entry& one) noexcept;

// One call: in the caller's frame, or with memory of its own when it may be abandoned.
struct job {
  enum class state : unsigned char { made, queued, running, done, withdrawn, refused, lost_in_fork };

  void (*call)(job& self) = nullptr;              // on the pool's thread
  std::stop_source stop{std::nostopstate};        // has a state when the function takes a token
  std::exception_ptr error;                       // what escaped it
  void (*release)(job& self) noexcept = nullptr;  // destroys it; null: it lies in the caller's frame
  parking::waiter* caller = nullptr;              // null, too, when the caller has left it to the pool
  pool* in = nullptr;
  job* next = nullptr;  // of those queued, or of those running
  job* previous = nullptr;
  job* next_stopping = nullptr;  // of those that were asked to stop
  unblock_entry* first_unblock = nullptr;
  std::int64_t unblock_due_ns = 0;
  state is = state::made;
  bool stopping = false;      // was asked to stop
  bool being_called = false;  // its callbacks are
};
// Returns when it has run; throws what escaped it, ramie::cancelled, and the pool's refusals.
void run(pool& on, job& one);

struct release_job {
  void operator()(job* one) const noexcept { one->release(*one); }
};
using owned_job = std::unique_ptr<job, release_job>;
// The same, but does not wait for one that runs when the caller is told to go: `one` is the pool's then, and null here.
void run(pool& on, owned_job& one);

template <class F>
struct call_of {
  static constexpr bool takes_stop = std::invocable<F&, std::stop_token>;
  static decltype(auto) invoke(F& function, const job& one) {
    if constexpr (takes_stop) {
      return std::invoke(function, one.stop.get_token());
    } else {
      return std::invoke(function);
    }
  }
};

}  // namespace offloading

// Threads for offload(), at most so many; started when they are needed, one by one. When the system refuses one, the
// others do the work.
class offload_pool {
 public:
  // Starts no thread. Throws std::bad_alloc.
  explicit offload_pool(offload_options options = {});
  // Waits for its threads to end, and so for calls that were abandoned. Nobody may wait for a call of it any more.
  ~offload_pool();
  offload_pool(const offload_pool&) = delete;
  offload_pool& operator=(const offload_pool&) = delete;

  // function() or function(std::stop_token), as above. On a thread of this pool it is called at once.
  template <class F>
  requires(std::invocable<F&> || std::invocable<F&, std::stop_token>) decltype(auto) run(F&& function) {
    using how = offloading::call_of<std::remove_reference_t<F>>;
    using R = decltype(how::invoke(function, std::declval<offloading::job&>()));
    struct call : offloading::job {
      std::remove_reference_t<F>* function;
      parking::returned<R> result;
    } one;
    one.function = std::addressof(function);
    if constexpr (how::takes_stop) one.stop = std::stop_source();
    one.offloading::job::call = [](offloading::job& self) {
      auto& mine = static_cast<call&>(self);
      mine.result.fill([&]() -> R { return how::invoke(*mine.function, mine); });
    };
    offloading::run(*pool_, one);
    return one.result.take();
  }

  // The same, for what cannot be interrupted and touches nothing but what it owns: when the caller is told to go, the
  // wait ends at once, and the function is left to itself. It, its result and what escapes it are destroyed on the
  // pool's thread when it has returned, also long after the caller, and until then it keeps one of the pool's threads:
  // a pool of its own bounds that.
  template <class F>
  requires std::invocable < std::decay_t<F>
  & > std::invoke_result_t<std::decay_t<F>&> run_abandonable(F&& function) {
    using body = std::decay_t<F>;
    using R = std::invoke_result_t<body&>;
    static_assert(!std::is_reference_v<R>, "what an abandonable function returns belongs to it: return a value");
    struct call : offloading::job {
      body function;
      parking::returned<R> result;
      explicit call(F&& given) : function(std::forward<F>(given)) {}
    };
    auto* made = new call(std::forward<F>(function));
    made->offloading::job::call = [](offloading::job& self) {
      auto& mine = static_cast<call&>(self);
      mine.result.fill(mine.function);
    };
    made->release = [](offloading::job& self) noexcept { delete static_cast<call*>(&self); };
    offloading::owned_job owner(made);
    offloading::run(*pool_, owner);
    return made->result.take();
  }

  // Any thread.
  [[nodiscard]] offload_statistics statistics() const;
  [[nodiscard]] const offload_options& options() const noexcept;

 private:
  std::unique_ptr<offloading::pool> pool_;
};

// The pool of the process, with the default options. Lives as long as the process.
[[nodiscard]] offload_pool& default_offload_pool();

// Runs it on the default pool.
template <class F>
requires(std::invocable<F&> || std::invocable<F&, std::stop_token>) decltype(auto) offload(F&& function) {
  return default_offload_pool().run(std::forward<F>(function));
}
template <class F>
requires(std::invocable<F&> || std::invocable<F&, std::stop_token>) decltype(auto)
    offload(offload_pool& pool, F&& function) {
  return pool.run(std::forward<F>(function));
}

// In a function that runs by offload(): calls `unblock` when it is asked to stop, and again every 10 ms until this
// object or the function is gone, for an unblock that comes a moment before the call that it is to end does nothing. On
// a thread of ours, never twice at a time, and never after this object's end: the destructor waits for it. It must not
// throw and should be quick: other functions' unblocks wait for it. With any other token it is a std::stop_callback,
// which is called once; so it is where the system refuses us that thread.
template <std::invocable F>
class unblock_callback : offloading::unblock_entry {
 public:
  unblock_callback(const std::stop_token& stop, F unblock) : unblock_(std::move(unblock)) {
    call = [](unblock_entry& self) noexcept { static_cast<unblock_callback&>(self).unblock_(); };
    if (!offloading::attach(*this, stop)) once_.emplace(stop, caller{this});
  }
  ~unblock_callback() { offloading::detach(*this); }
  unblock_callback(const unblock_callback&) = delete;
  unblock_callback& operator=(const unblock_callback&) = delete;

 private:
  struct caller {
    unblock_callback* of;
    void operator()() const noexcept { of->unblock_(); }
  };
  F unblock_;
  std::optional<std::stop_callback<caller>> once_;
};

}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
