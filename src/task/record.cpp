// A task from its making to its end, and what its handle does.
#include "task/record.hpp"

#include "base/check.hpp"

#include <cxxabi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>

namespace ramie {

const char* name_of(task_state state) noexcept {
  switch (state) {
    case task_state::ready:
      return "ready";
    case task_state::running:
      return "running";
    case task_state::waiting:
      return "waiting";
    case task_state::finished:
      return "finished";
    case task_state::failed:
      return "failed";
    case task_state::cancelled:
      return "cancelled";
  }
  return "?";
}

task_cancelled::task_cancelled(std::exception_ptr cause)
    : std::runtime_error("the task was cancelled"), cause_(std::move(cause)) {}

}  // namespace ramie

namespace ramie::inline v0::tasking {
namespace {

using parking::host;
using parking::wait_kind;
using parking::waiter;

struct unseen_errors {
  unseen_error_hook hook = nullptr;
  void* argument = nullptr;
};
[[gnu::tls_model("initial-exec")]] constinit thread_local unseen_errors unseen;

// A record that ended elsewhere is sent home in its own memory.
struct way_home : parking::letter {
  sched::scheduler* to;
  void* from;
  static void arrive(parking::letter& sent) noexcept {
    auto& self = static_cast<way_home&>(sent);
    self.to->memory.give_back({&self, self.from});
  }
};
static_assert(sizeof(way_home) <= record_bytes);

void destroy(record* one) noexcept {
  if (one->has_payload) one->how->destroy_result(payload_of(one));
  if (one->locals != nullptr) control::drop(one->locals);
  sched::scheduler* home = one->home;
  const sched::block_cache::block block = {one, one->memory};
  one->~record();
  if (parking::this_host() == home) return home->memory.give_back(block);
  // Another thread's, or a handle that lives longer than the scheduler.
  if (!sched::block_cache::is_of_a_cache(block)) return sched::block_cache::let_go(block);
  auto* way = ::new (block.start) way_home;
  way->open = &way_home::arrive;
  way->to = home;
  way->from = block.from;
  if (!sched::post_if_it_lives(home, *way)) sched::block_cache::let_go(block);
}

waiter* nobody_waits_any_more() noexcept { return reinterpret_cast<waiter*>(1); }

// It has ended. A joiner from afar sets its bit before it stands in the list; so either the bit is seen here, and the
// record lives at least until the list was taken, or the joiner sees that the task has ended.
void give_up_own_reference(record& task) noexcept {
  if (task.references.load(std::memory_order_acquire) == own_reference) return destroy(&task);
  const std::uint32_t before = task.references.fetch_sub(own_reference, std::memory_order_acq_rel);
  if (before == own_reference) return destroy(&task);
  if ((before & joined_from_afar) == 0) return;
  waiter* one = task.joiners_afar.exchange(nobody_waits_any_more(), std::memory_order_acq_rel);
  while (one != nullptr) parking::wake(*std::exchange(one, one->next));
}

// Home thread. After this the record may be gone.
void complete(record& task, task_state how, std::exception_ptr error) noexcept {
  if (task.has_payload) task.how->destroy_body(payload_of(&task));
  scope_state& parent = *task.parent;
  parking::orphan(parent, task);
  --parent.living;
  if (task.transient) --parent.transient;
  task.home->task_ended();
  if (how == task_state::failed) fail(parent, error, task.name.text());
  task.error = std::move(error);
  task.state.store(how, std::memory_order_release);
  while (waiter* one = task.joiners.take_front()) parking::wake(*one);
  if (parent.living == parent.transient) {
    while (waiter* one = parent.joiners.take_front()) parking::wake(*one);
  }
  if (parent.living == 0 && parent.all_ended != nullptr) *parent.all_ended = true;
  give_up_own_reference(task);
}

sched::start_order order_of(parking::parked& one) noexcept {
  record& task = record_of(one);
  return {{.stack_bytes = task.stack_bytes, .name = task.name}, task.site, std::exchange(task.locals, nullptr)};
}

bool takes_default_stack(const parking::parked& one) noexcept {
  return static_cast<const record&>(one).stack_bytes == 0;
}

// A forced unwinding has no object, so the reference that catches it is null, which UBSan must not mind.
__attribute__((no_sanitize("null"))) void run(parking::parked& one) {
  record& task = record_of(one);
  task_state how = task_state::finished;
  std::exception_ptr error;
  parking::cancel_scope* asked = task.interrupt ? parking::deliverable(task) : nullptr;
  if (asked != nullptr || !task.has_payload) {
    how = task_state::cancelled;
    if (asked != nullptr) error = asked->cause;
  } else {
    task.state.store(task_state::running, std::memory_order_relaxed);
    try {
      task.how->run(payload_of(&task));
    } catch (const cancelled& told) {
      told.absorb();
      how = task_state::cancelled;
      error = told.cause();
    } catch (abi::__forced_unwind&) {
      throw;
    } catch (...) {
      how = task_state::failed;
      error = std::current_exception();
    }
  }
  if (task.innermost != &task.self) {
    std::fprintf(
        stderr,
        "ramie: task '%s' has ended, and a fiber or generator that it resumed is suspended inside of a scope or\n"
        "ramie: a time limit. End or destroy it in the task that entered that block.\n",
        task.name.text());
    RAMIE_CHECK(task.innermost == &task.self);
  }
  task.home->account(task);
  complete(task, how, std::move(error));
}

// Its fiber was killed, or the thread exits.
void lost(parking::parked& one) noexcept {
  record& task = record_of(one);
  task.innermost = &task.self;
  complete(task, task_state::cancelled, nullptr);
}

void refused(parking::parked& one) noexcept { complete(record_of(one), task_state::failed, std::current_exception()); }

constexpr wait_kind join_wait = {
    "join", [](waiter& one) noexcept { return static_cast<record*>(one.place)->joiners.remove(one); }};

bool has_ended(const record* one) noexcept {
  return one->state.load(std::memory_order_acquire) >= task_state::finished;
}

// Another thread cancels a task of this one.
struct cancel_letter : parking::letter {
  record* task;
  std::exception_ptr cause;
};

// A thread that is not the task's. Its home need not run for this: a letter that came after its last slice would lie
// there unread. Its wait cannot be called off: nobody could take it out of the list.
void join_from_afar(record* one) noexcept {
  if (!sched::lives(one->home)) return;  // its thread was lost in a fork
  if ((one->references.fetch_or(joined_from_afar, std::memory_order_acq_rel) & own_reference) == 0) return;
  waiter me;
  waiter* newest = one->joiners_afar.load(std::memory_order_acquire);
  do {
    if (newest == nobody_waits_any_more()) return;
    me.next = newest;
  } while (!one->joiners_afar.compare_exchange_weak(newest, &me, std::memory_order_acq_rel));
  parking::park_shielded(me, join_wait);
}

}  // namespace

const sched::task_functions functions = {&order_of, &takes_default_stack, &run, &lost, &refused};

void set_unseen_error_hook(unseen_error_hook hook, void* argument) noexcept { unseen = {hook, argument}; }

void tell_unseen(const std::exception_ptr& error, const char* name) noexcept {
  if (unseen.hook != nullptr) return unseen.hook(error, name, unseen.argument);
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& escaped) {
    std::fprintf(stderr, "ramie: task '%s' failed after its scope had failed already: %s\n", name, escaped.what());
  } catch (...) {
    std::fprintf(stderr, "ramie: task '%s' failed after its scope had failed already\n", name);
  }
}

void fail(scope_state& scope, std::exception_ptr error, const char* name) noexcept {
  if (scope.failure != nullptr) return tell_unseen(error, name);
  scope.failure = error;
  scope.cancel(std::move(error));
}

sched::scheduler& scheduler_here(const char* what) {
  host* here = parking::this_host();
  if (here == nullptr) {
    throw std::logic_error(std::string(what) + " needs a scheduler on this thread: call it inside ramie::run");
  }
  return static_cast<sched::scheduler&>(*here);
}

namespace {

record* place_record(const sched::block_cache::block& at, scope_state& parent, sched::scheduler& home,
                     const operations* how, const task_options& options, const call_site& site) noexcept {
  auto* made = ::new (at.start) record;
  made->memory = at.from;
  made->parent = &parent;
  made->home = &home;
  made->how = how;
  made->name = options.name;
  made->site = site;
  made->stack_bytes = static_cast<std::uint32_t>(std::min<std::size_t>(options.stack_bytes, UINT32_MAX));
  made->transient = options.transient;
  return made;
}

}  // namespace

record* create_afar(scope_state& parent, sched::scheduler& home, std::size_t payload_bytes, const operations* how,
                    const task_options& options, const call_site& site) {
  if (options.stack_at_spawn)
    throw std::logic_error("task_options::stack_at_spawn: only a task's own thread has stacks");
  const std::size_t bytes = record_bytes + payload_bytes;
  return place_record(sched::block_cache::allocate(bytes), parent, home, how, options, site);
}

record* create(scope_state& parent, std::size_t payload_bytes, const operations* how, const task_options& options,
               const call_site& site) {
  sched::scheduler& here = scheduler_here("spawn");
  if (parent.home != &here) throw std::logic_error("spawn: this scope belongs to another thread");
  if (parent.closed) throw std::logic_error("spawn: this scope has ended; its children are waited for no more");
  const std::size_t bytes = record_bytes + payload_bytes;
  record* made = place_record(here.memory.take(bytes), parent, here, how, options, site);
  try {
    made->locals = control::copy_locals();
    here.make_room();
  } catch (...) {
    destroy(made);
    throw;
  }
  if (!options.stack_at_spawn) return made;
  try {
    here.take_stack(*made);
  } catch (...) {
    discard(made);
    throw;
  }
  return made;
}

void discard_afar(record* one) noexcept { destroy(one); }

void submit_afar(record* one) noexcept {
  try {
    one->home->make_room();
  } catch (...) {
    return give_up(one, task_state::failed, std::current_exception());
  }
  submit(one);
}

void give_up(record* one, task_state how, std::exception_ptr why) noexcept {
  one->how->destroy_body(payload_of(one));
  one->error = std::move(why);
  one->state.store(how, std::memory_order_release);
  while (waiter* joiner = one->joiners.take_front()) parking::wake(*joiner);
  give_up_own_reference(*one);
}

// What had no stack yet was never there. A stack that was taken ends as stacks do, by a task that runs and does
// nothing.
void discard(record* one) noexcept {
  if (one->chain.leaf == nullptr) {
    one->home->task_ended();
    return destroy(one);
  }
  queue(one);
  drop(one);  // for the handle
}

void submit(record* one) noexcept {
  one->has_payload = true;
  queue(one);
}

void queue(record* one) noexcept {
  scope_state& parent = *one->parent;
  one->self.outer = &parent;
  one->self.owner = one;
  one->innermost = &one->self;
  parking::adopt(parent, *one);
  ++parent.living;
  if (one->transient) ++parent.transient;
  one->home->start_later(*one);
}

void drop(record* one) noexcept {
  // The last holder needs no read-modify-write.
  if ((one->references.load(std::memory_order_acquire) & ~joined_from_afar) == 1 ||
      (one->references.fetch_sub(1, std::memory_order_acq_rel) & ~joined_from_afar) == 1) {
    destroy(one);
  }
}

void join(record* one) {
  if (one == nullptr) throw std::logic_error("join: the task handle is empty");
  if (has_ended(one)) return parking::charge(1);
  if (parking::this_host() != one->home) return join_from_afar(one);
  waiter me;
  if (me.who == one) throw std::logic_error("join: a task cannot wait for itself");
  me.place = one;
  one->joiners.push_back(me);
  parking::park(me, join_wait);
}

bool has_ended_here(const record* one) {
  if (one == nullptr) throw std::logic_error("select: a task handle is empty");
  if (has_ended(one)) return true;
  if (parking::this_host() == one->home) return false;
  throw std::logic_error("select: the task belongs to another thread; join it, or let it set an event");
}

void enlist_joiner(record* one, waiter& joiner) noexcept { one->joiners.push_back(joiner); }
void withdraw_joiner(record* one, waiter& joiner) noexcept { one->joiners.remove(joiner); }

void check_result(record* one) {
  join(one);
  const task_state how = state_of(one);
  if (how == task_state::failed) std::rethrow_exception(one->error);
  if (how == task_state::cancelled) throw task_cancelled(one->error);
}

bool cancel(record* one, std::exception_ptr cause) noexcept {
  if (one == nullptr || has_ended(one)) return false;
  if (parking::this_host() == one->home) {
    if (one->self.requested) return false;
    one->self.cancel(std::move(cause));
    return true;
  }
  auto* letter = new (std::nothrow) cancel_letter;
  if (letter == nullptr) return false;
  letter->task = one;
  letter->cause = std::move(cause);
  one->references.fetch_add(1, std::memory_order_relaxed);
  letter->open = [](parking::letter& sent) noexcept {
    auto& read = static_cast<cancel_letter&>(sent);
    if (!has_ended(read.task)) read.task->self.cancel(std::move(read.cause));
    drop(read.task);
    delete &read;
  };
  if (sched::post_if_it_lives(one->home, *letter)) return true;
  drop(one);
  delete letter;
  return false;
}

task_state state_of(const record* one) noexcept {
  if (one == nullptr) return task_state::finished;
  const task_state state = one->state.load(std::memory_order_acquire);
  if (state != task_state::running || parking::this_host() != one->home) return state;
  if (one->home->running == one) return task_state::running;
  return one->waits_on != nullptr ? task_state::waiting : task_state::ready;
}

const char* name_of(const record* one) noexcept { return one == nullptr ? "" : one->name.text(); }

}  // namespace ramie::inline v0::tasking
