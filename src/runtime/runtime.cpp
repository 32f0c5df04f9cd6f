#include "base/check.hpp"
#include "poll/choose.hpp"
#include "task/dump.hpp"
#include "task/dump_signal.hpp"
#include "task/record.hpp"

#include <ramie/runtime.hpp>

#include <pthread.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>

namespace ramie {
namespace {

using tasking::record;
using tasking::scope_state;

struct posted_task : parking::letter {
  void* to = nullptr;  // a runtime::state
  std::function<void()> body;
  task_options options;
  call_site site;
};

poll::choice poller_for(io_kind wanted) noexcept {
  switch (wanted) {
    case io_kind::automatic:
      return poll::choice::automatic;
    case io_kind::uring:
      return poll::choice::uring;
    case io_kind::epoll:
      return poll::choice::epoll;
    case io_kind::fake:
      return poll::choice::fake;
  }
  return poll::choice::automatic;
}

}  // namespace

// What a runtime and its references share. The lock is held while something is posted, so that the end of the runtime
// waits for that.
struct runtime_ref::link {
  explicit link(runtime::state* there);
  ~link();
  link(const link&) = delete;
  link& operator=(const link&) = delete;

  std::mutex lock;
  runtime::state* to;  // null: gone
  const context::thread_words* const home = context::this_thread_words();

  // All links, for a fork.
  static std::mutex all;
  static link* first;
  link *previous = nullptr, *next = nullptr;
  [[gnu::constructor(101)]] static void see_to_forks();

  // False: it is gone, and nothing was posted.
  template <class Post>
  bool post(Post&& act) {
    const std::lock_guard held(lock);
    if (to == nullptr) return false;
    act(*to);
    return true;
  }
};

struct runtime::state {
  explicit state(const runtime_options& wanted)
      : scheduler(wanted.clock == clock_kind::fake ? sched::clock_kind::fake : sched::clock_kind::monotonic,
                  tasking::functions, {&poll::make, &wanted_poller}),
        options(wanted),
        wanted_poller(poller_for(wanted.io)) {
    root.home = &scheduler;
    scheduler.each_chain = &tasking::each_chain;
    if (options.dump_signal != 0) dump_on_signal.emplace(options.dump_signal, scheduler, root);
  }

  sched::scheduler scheduler;
  const std::shared_ptr<runtime_ref::link> link = std::make_shared<runtime_ref::link>(this);
  std::exception_ptr stop_cause;
  runtime_options options;
  scope_state root;  // above all tasks
  const poll::choice wanted_poller;
  bool idle = false;  // no task is left
  bool stopped = false;
  bool goes = false;  // it runs nothing any more: what was sent is given up
  std::optional<tasking::dump_on_signal> dump_on_signal;

  // Spawns in the root; on the home thread, whether or not it runs.
  record* spawn_root(std::function<void()> body, const task_options& how, const call_site& site);
  sched::scheduler::ending drive(std::int64_t until_ns);
  void throw_failure();
  class at_work;
  static void unseen(std::exception_ptr error, const char* name, void* self);
  void tell_unseen(const std::exception_ptr& error, const char* name) const noexcept;
  void post(std::function<void()> body, const task_options& how, const call_site& site);
  void post_failed(const std::exception_ptr& error, const char* name) const noexcept;
  void end_what_is_left() noexcept;
  void ask_again() noexcept;
  void stop(std::exception_ptr cause) noexcept;
  void stop_now(std::exception_ptr cause) noexcept;
};

namespace {

// Inside of each other, that wait for what never comes after a deadlock was found.
constexpr int handlers_most = 100;

using root_payload = tasking::payload<std::function<void()>, void>;

}  // namespace

void runtime::state::unseen(std::exception_ptr error, const char* name, void* self) {
  static_cast<state*>(self)->options.unseen_error(std::move(error), name);
}

void runtime::state::tell_unseen(const std::exception_ptr& error, const char* name) const noexcept {
  options.unseen_error != nullptr ? options.unseen_error(error, name) : tasking::tell_unseen(error, name);
}

void runtime::state::post_failed(const std::exception_ptr& error, const char* name) const noexcept {
  if (options.unseen_error != nullptr) return options.unseen_error(error, name);
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& escaped) {
    std::fprintf(stderr, "ramie: posted task '%s' failed: %s\n", name, escaped.what());
  } catch (...) {
    std::fprintf(stderr, "ramie: posted task '%s' failed\n", name);
  }
}

record* runtime::state::spawn_root(std::function<void()> body, const task_options& how, const call_site& site) {
  context::chain_keeper* outer = std::exchange(context::this_thread_words()->host, &scheduler);
  record* made = nullptr;
  try {
    made = tasking::create(root, sizeof(root_payload), &root_payload::how, how, site);
    auto* place = ::new (tasking::payload_of(made)) root_payload{};
    place->body.emplace(std::move(body));
    tasking::submit(made);
  } catch (...) {
    context::this_thread_words()->host = outer;
    throw;
  }
  context::this_thread_words()->host = outer;
  return made;
}

// While its tasks run the thread knows whose they are.
class runtime::state::at_work {
 public:
  explicit at_work(state& here) noexcept {
    if (here.options.unseen_error != nullptr) tasking::set_unseen_error_hook(&unseen, &here);
    tasking::set_root_scope(&here.root);
  }
  ~at_work() {
    tasking::set_root_scope(nullptr);
    tasking::set_unseen_error_hook(nullptr, nullptr);
  }
  at_work(const at_work&) = delete;
  at_work& operator=(const at_work&) = delete;
};

sched::scheduler::ending runtime::state::drive(std::int64_t until_ns) {
  const at_work here(*this);
  return scheduler.run_until(idle, until_ns);
}

void runtime::state::throw_failure() {
  if (std::exception_ptr failure = std::exchange(root.failure, nullptr)) {
    root.requested = false;
    std::rethrow_exception(failure);
  }
}

constinit std::mutex runtime_ref::link::all;
constinit runtime_ref::link* runtime_ref::link::first = nullptr;

runtime_ref::link::link(runtime::state* there) : to(there) {
  const std::lock_guard held(all);
  next = std::exchange(first, this);
  if (next != nullptr) next->previous = this;
}

runtime_ref::link::~link() {
  const std::lock_guard held(all);
  (previous == nullptr ? first : previous->next) = next;
  if (next != nullptr) next->previous = previous;
}

// In the child nobody is posting any more, whoever held a link's lock; and the runtimes of other threads are gone.
void runtime_ref::link::see_to_forks() {
  pthread_atfork([] { all.lock(); }, [] { all.unlock(); },
                 [] {
                   for (link* one = first; one != nullptr; one = one->next) {
                     ::new (&one->lock) std::mutex;
                     if (one->home != context::this_thread_words()) one->to = nullptr;
                   }
                   all.unlock();
                 });
}

void runtime::state::stop_now(std::exception_ptr cause) noexcept {
  if (std::exchange(stopped, true)) return;
  stop_cause = cause;
  root.cancel(std::move(cause));
}

runtime::runtime(runtime_options options) : state_(std::make_unique<state>(options)) {}

// To tasks that were told to go and wait again on their way.
void runtime::state::ask_again() noexcept {
  context::chain_keeper* outer = std::exchange(context::this_thread_words()->host, &scheduler);
  parking::ask_again(root);
  context::this_thread_words()->host = outer;
}

// Tasks that run_once() has begun and nobody will run again.
void runtime::state::end_what_is_left() noexcept {
  if (root.living == 0) return;
  if (parking::this_host() != nullptr) {
    std::fprintf(
        stderr,
        "ramie: a runtime is destroyed inside of another's task while %zu of its tasks live. Before, stop() it "
        "and call run_once() until it says that none is left\n%s",
        static_cast<std::size_t>(root.living), tasking::describe_tasks(root, {}).c_str());
    std::abort();
  }
  context::chain_keeper* outer = std::exchange(context::this_thread_words()->host, &scheduler);
  root.cancel(nullptr);
  context::this_thread_words()->host = outer;
  idle = false;
  root.all_ended = &idle;
  if (drive(INT64_MAX) == sched::scheduler::ending::stuck) {
    std::fprintf(stderr,
                 "ramie: a runtime is destroyed, and tasks of it wait for ever although they were cancelled\n%s",
                 tasking::describe_tasks(root, {}).c_str());
    std::abort();
  }
  if (root.failure != nullptr) tell_unseen(root.failure, "a task of a runtime that is destroyed");
}

runtime::~runtime() {
  state_->end_what_is_left();
  {
    const std::lock_guard held(state_->link->lock);
    state_->link->to = nullptr;
  }
  state_->goes = true;
  state_->scheduler.letters.open_all();
}

runtime_ref runtime::ref() const noexcept { return runtime_ref(state_->link); }

void runtime::run_main(void (*body)(void*), void* argument) {
  state& here = *state_;
  if (parking::this_host() != nullptr) {
    throw std::logic_error("run inside run: this thread's tasks are running already; spawn in a scope instead");
  }
  if (here.stopped) throw std::logic_error("run: this runtime was stopped");
  here.scheduler.start_ticking();
  here.idle = false;
  record* main = here.spawn_root([&] { body(argument); }, {.name = "main"}, call_site{"", 0});
  tasking::scope_state& root = here.root;
  // The last one to end says so.
  root.all_ended = &here.idle;
  auto how = here.drive(INT64_MAX);
  // What was sent before the last task ended belongs to this run, though nobody has looked since.
  while (how == sched::scheduler::ending::done && !here.scheduler.letters.empty()) {
    here.scheduler.letters.open_all();
    here.idle = root.living == 0;
    if (!here.idle) how = here.drive(INT64_MAX);
  }
  std::string report;
  if (how == sched::scheduler::ending::stuck) {
    report = tasking::describe_tasks(root, {});
    std::fprintf(stderr, "ramie: deadlock: all tasks wait and nothing can wake them\n%s", report.c_str());
    context::chain_keeper* outer = std::exchange(context::this_thread_words()->host, &here.scheduler);
    root.cancel(std::make_exception_ptr(deadlock("all tasks wait and nothing can wake them:\n" + report)));
    context::this_thread_words()->host = outer;
    how = here.drive(INT64_MAX);
    // Handlers may wait in their turn. Destructors cannot be left.
    for (int handlers = 0; how == sched::scheduler::ending::stuck && handlers != handlers_most; ++handlers) {
      here.ask_again();
      how = here.drive(INT64_MAX);
    }
    if (how == sched::scheduler::ending::stuck) {
      std::fprintf(stderr,
                   "ramie: the tasks that are left wait for ever in destructors, or in shields without an end:\n%s"
                   "ramie: give such waits a limit, with_shield(5s, ...)\n",
                   tasking::describe_tasks(root, {}).c_str());
      std::abort();
    }
  }
  struct dropped {
    record* one;
    ~dropped() { tasking::drop(one); }
  } const held{main};
  std::exception_ptr failure = std::exchange(root.failure, nullptr);
  root.requested = false;
  root.cause = nullptr;
  if (!report.empty()) throw deadlock("all tasks wait and nothing can wake them:\n" + report);
  if (here.stopped) {
    here.stopped = false;
    if (failure != nullptr) here.tell_unseen(failure, "a task of a runtime that was stopped");
    throw task_cancelled(here.stop_cause);
  }
  if (failure != nullptr) std::rethrow_exception(failure);
  if (main->state.load() == task_state::cancelled) throw task_cancelled(main->error);
}

void runtime::state::post(std::function<void()> body, const task_options& how, const call_site& site) {
  auto* letter = new posted_task;
  letter->to = this;
  letter->body = std::move(body);
  letter->options = how;
  letter->site = site;
  letter->open = [](parking::letter& sent) noexcept {
    const std::unique_ptr<posted_task> read(&static_cast<posted_task&>(sent));
    state& here = *static_cast<state*>(read->to);
    if (here.goes) return;
    auto attempt = [&here, body = std::move(read->body), name = read->options.name] {
      try {
        body();
      } catch (const cancelled&) {
        throw;
      } catch (...) {
        if (std::current_exception() == nullptr) throw;  // a forced unwinding is none
        here.post_failed(std::current_exception(), name.text());
      }
    };
    try {
      tasking::drop(here.spawn_root(std::move(attempt), read->options, read->site));
    } catch (...) {
      tasking::tell_unseen(std::current_exception(), read->options.name.text());
    }
  };
  scheduler.post(*letter);
}

void runtime::post(std::function<void()> body, task_options options, call_site site) {
  state_->post(std::move(body), options, site);
}

bool runtime::run_once(std::chrono::nanoseconds duration) {
  state& here = *state_;
  if (parking::this_host() != nullptr) throw std::logic_error("run_once inside run: the tasks are running already");
  here.scheduler.start_ticking();
  here.scheduler.letters.open_all();
  here.idle = here.root.living == 0;
  here.root.all_ended = &here.idle;
  const std::int64_t now = here.scheduler.now_ns();
  here.drive(duration.count() > INT64_MAX - now ? INT64_MAX - 1 : now + duration.count());
  here.throw_failure();
  return here.idle;
}

int runtime::descriptor() {
  state& here = *state_;
  if (here.options.clock == clock_kind::fake || here.options.io == io_kind::fake) {
    throw std::logic_error("runtime::descriptor: a fake clock and a fake world do not wait in a host's loop");
  }
  if (parking::this_host() != nullptr) return here.scheduler.descriptor();
  // Operations that are in flight may have to be found, by the tasks that wait for them.
  const state::at_work working(here);
  return here.scheduler.descriptor();
}

std::optional<std::chrono::nanoseconds> runtime::run_ready() {
  state& here = *state_;
  if (parking::this_host() != nullptr) throw std::logic_error("run_ready inside run: the tasks are running already");
  static_cast<void>(descriptor());
  here.root.all_ended = nullptr;
  std::int64_t due_ns = 0;
  {
    const state::at_work marked(here);
    due_ns = here.scheduler.run_ready();
  }
  here.throw_failure();
  if (due_ns == INT64_MAX) return std::nullopt;
  return std::chrono::nanoseconds(due_ns);
}

void runtime::state::stop(std::exception_ptr cause) noexcept {
  if (parking::this_host() == &scheduler) return stop_now(std::move(cause));
  struct stop_letter : parking::letter {
    state* to = nullptr;
    std::exception_ptr cause;
  };
  auto* letter = new (std::nothrow) stop_letter;
  if (letter == nullptr) return;
  letter->to = this;
  letter->cause = std::move(cause);
  letter->open = [](parking::letter& sent) noexcept {
    auto& read = static_cast<stop_letter&>(sent);
    read.to->stop_now(std::move(read.cause));
    delete &read;
  };
  scheduler.post(*letter);
}

void runtime::stop(std::exception_ptr cause) noexcept { state_->stop(std::move(cause)); }

bool runtime_ref::post(std::function<void()> body, task_options options, call_site site) const {
  return link_ != nullptr && link_->post([&](runtime::state& to) { to.post(std::move(body), options, site); });
}

bool runtime_ref::stop(std::exception_ptr cause) const noexcept {
  return link_ != nullptr && link_->post([&](runtime::state& to) { to.stop(std::move(cause)); });
}

bool runtime_ref::lives() const noexcept {
  return link_ != nullptr && link_->post([](runtime::state&) {});
}

record* runtime_ref::create(std::size_t payload_bytes, const tasking::operations* how, const task_options& options,
                            const call_site& site) const {
  record* made = nullptr;
  const auto make = [&](runtime::state& to) {
    made = tasking::create_afar(to.root, to.scheduler, payload_bytes, how, options, site);
  };
  if (link_ == nullptr || !link_->post(make)) throw runtime_gone();
  return made;
}

void runtime_ref::discard(record* one) noexcept { tasking::discard_afar(one); }

void runtime_ref::send(record* one) const {
  struct start_letter : parking::letter {
    runtime::state* to = nullptr;
    record* task = nullptr;
  };
  one->has_payload = true;
  auto letter = std::unique_ptr<start_letter>(new (std::nothrow) start_letter);
  if (letter == nullptr) {
    discard(one);
    throw std::bad_alloc();
  }
  letter->task = one;
  letter->open = [](parking::letter& sent) noexcept {
    const std::unique_ptr<start_letter> read(&static_cast<start_letter&>(sent));
    read->to->goes ? tasking::give_up(read->task, task_state::cancelled, nullptr) : tasking::submit_afar(read->task);
  };
  const bool sent = link_->post([&](runtime::state& to) {
    letter->to = &to;
    to.scheduler.post(*letter.release());
  });
  if (sent) return;
  discard(one);
  throw runtime_gone();
}

}  // namespace ramie
