// Who is told of which request. See cancel_scope.hpp for the rules.
#include "base/check.hpp"
#include "park/park.hpp"

#include <cstdio>
#include <stdexcept>
#include <utility>

namespace ramie {

using parking::cancel_scope;
using parking::host;
using parking::parked;

// One request on its way through one task. Its end without having arrived means that somebody kept the exception.
struct cancelled::delivery {
  const cancel_scope* target;
  const parked* task;
  host* home;
  cancel_scope* before;  // the one that the task had been told of when it entered the target
  std::exception_ptr cause;
  bool absorbed = false;

  delivery(const cancel_scope* to, cancel_scope* earlier, const parked* in, host* at)
      : target(to), task(in), home(at), before(earlier), cause(to->cause) {}
  delivery(const delivery&) = delete;
  delivery& operator=(const delivery&) = delete;
  ~delivery() {
    if (absorbed) return;
    host* here = parking::this_host();
    if (here != home || here == nullptr || here->running != task || here->running->delivered != target) return;
    // One that was answered by another exception is not kept, but the task must hear of it again when that is caught.
    if (context::this_thread_words()->exceptions->uncaught == 0) {
      std::fprintf(stderr,
                   "ramie: a handler kept a cancellation: catch (...) without `throw;`. The task is told again at its\n"
                   "ramie: next wait. Catch the exceptions that are meant, or rethrow.\n");
    }
    here->running->delivered = before;
    here->running->interrupt = true;
  }
};

std::exception_ptr cancelled::cause() const noexcept { return told_->cause; }
bool cancelled::is_for(const cancel_scope& scope) const noexcept { return told_->target == &scope; }
void cancelled::absorb() const noexcept {
  told_->absorbed = true;
  if (host* here = parking::this_host(); here != nullptr && here->running != nullptr) {
    parked& me = *here->running;
    if (me.delivered == told_->target) me.delivered = told_->before;
  }
}

}  // namespace ramie

namespace ramie::inline v0::parking {

namespace {

// Its fiber is suspended: it is not around what its task does now.
bool is_away(const cancel_scope& scope) noexcept {
  return is_block(scope) && static_cast<const block_scope&>(scope).in_fiber->word != context::running;
}

// Where a task is: its leaf, and the exceptions that are on their way there.
struct place {
  const context::control_block* fiber;
  unsigned uncaught;
};
place place_of(const parked& task) noexcept {
  const host* here = this_host();
  if (here == nullptr || here->running != &task) return {task.chain.leaf, control::uncaught_in(task.chain)};
  const context::thread_words& thread = *context::this_thread_words();
  return {thread.current, thread.exceptions->uncaught};
}

// An exception from there to the scope would leave no destructor that another one has called.
bool can_be_reached(const cancel_scope& scope, const place& from) noexcept {
  if (!is_block(scope)) return from.uncaught == 0;
  const auto& block = static_cast<const block_scope&>(scope);
  return from.uncaught == (block.in_fiber == from.fiber ? block.uncaught : 0);
}

cancel_scope* told_before(const cancel_scope& scope, const parked& task) noexcept {
  return scope.owner == &task && is_block(scope) ? static_cast<const block_scope&>(scope).told_before : nullptr;
}

}  // namespace

cancel_scope& current_scope(const parked& task) noexcept {
  cancel_scope* scope = task.innermost;
  while (is_away(*scope)) scope = next_outwards(*scope);
  return *scope;
}

cancel_scope* deliverable(parked& task) noexcept {
  const place from = place_of(task);
  // Of what stands inside a scope that it was told of, only what was entered since then can tell it more.
  const cancel_scope* told = task.delivered;
  cancel_scope* outermost = nullptr;
  bool later = false;  // a request waits for another moment
  for (cancel_scope* scope = task.innermost; scope != nullptr;
       scope = scope->owner == &task ? next_outwards(*scope) : scope->outer) {
    const cancel_scope* before = told_before(*scope, task);
    if (scope == told) {
      told = before;
    } else if (scope->owner == &task && is_away(*scope)) {
      later |= scope->requested;
      continue;
    } else if (scope->requested && before == told) {
      if (can_be_reached(*scope, from)) {
        outermost = scope;
      } else {
        later = true;
      }
    }
    if (scope->shields) break;
  }
  if (outermost == nullptr && !later) task.interrupt = false;
  return outermost;
}

void check_cancelled(host& here) {
  parked& me = *here.running;
  if (!me.interrupt) return;
  cancel_scope* asked = deliverable(me);
  if (asked == nullptr) return;
  me.delivered = asked;
  throw cancelled(std::make_shared<cancelled::delivery>(asked, told_before(*asked, me), &me, &here));
}

namespace {

// A request was made somewhere around it. One that waits is called off, another is told at its next wait.
void interrupt(parked& one, bool again) noexcept {
  if (again) one.delivered = nullptr;
  one.interrupt = true;
  tell_stop_tokens(one);
  if (one.waits_on == nullptr || one.waits_on->kind->withdraw == nullptr) return;
  if (deliverable(one) == nullptr) return;
  waiter& on = *one.waits_on;
  if (!on.kind->withdraw(on)) return;
  on.state.store(interrupted, std::memory_order_relaxed);
  one.waits_on = nullptr;
  // Letters are opened between two runs, too, when the thread has no host.
  on.home->make_ready(one);
}

// Children first. Without recursion: scopes may be nested deeper than a task's stack.
void interrupt_all_inside(cancel_scope& all, bool again = false) noexcept {
  cancel_scope* scope = all.owner != nullptr ? all.owner->innermost : &all;
  parked* child = scope->first_child;
  for (;;) {
    if (child != nullptr) {
      scope = child->innermost;
      child = scope->first_child;
    } else if (scope == &all) {
      break;
    } else if (is_block(*scope)) {
      scope = next_outwards(*scope);
      child = scope->first_child;
    } else {
      parked& done = *scope->owner;
      scope = scope->outer;
      child = done.next_sibling;
      interrupt(done, again);
    }
  }
  if (all.owner != nullptr) interrupt(*all.owner, again);
}

}  // namespace

void ask_again(cancel_scope& scope) noexcept { interrupt_all_inside(scope, true); }

void block_scope::enter() {
  host* here = this_host();
  if (here == nullptr || here->running == nullptr) {
    throw std::logic_error("no task runs here: scopes and time limits live in tasks; start one with ramie::run");
  }
  const context::thread_words& thread = *context::this_thread_words();
  owner = here->running;
  outer = &current_scope(*owner);
  entered_before = std::exchange(owner->innermost, this);
  told_before = owner->delivered;
  in_fiber = thread.current;
  uncaught = thread.exceptions->uncaught;
}

void block_scope::leave() noexcept {
  RAMIE_CHECK(first_child == nullptr);
  // Those that were entered later stand in other fibers.
  for (cancel_scope* scope = owner->innermost; scope != this;) {
    RAMIE_CHECK(is_block(*scope));
    auto& later = static_cast<block_scope&>(*scope);
    scope = later.entered_before;
    if (later.outer == this) later.outer = outer;
    if (later.told_before == this) later.told_before = told_before;
    if (later.entered_before == this) later.entered_before = entered_before;
  }
  if (owner->innermost == this) owner->innermost = entered_before;
  if (stop_place != 0) forget_stop_token(*this);
  if (owner->delivered == this) owner->delivered = told_before;
  owner->interrupt = true;  // what it shielded from; the next wait finds out
}

void cancel_scope::cancel(std::exception_ptr why) noexcept {
  if (std::exchange(requested, true)) return;
  cause = std::move(why);
  // Stop callbacks are called on the way: nobody else may run and change what is walked over.
  const host* here = this_host();
  parked* const running = here == nullptr ? nullptr : here->running;
  if (running != nullptr) ++running->no_yield;
  interrupt_all_inside(*this);
  if (running != nullptr) --running->no_yield;
}

void adopt(cancel_scope& scope, parked& child) noexcept {
  child.previous_sibling = nullptr;
  child.next_sibling = scope.first_child;
  if (scope.first_child != nullptr) scope.first_child->previous_sibling = &child;
  scope.first_child = &child;
  // What was asked of the scope before is for the child too.
  child.interrupt = true;
}

void orphan(cancel_scope& scope, parked& child) noexcept {
  if (child.innermost->stop_place != 0) forget_stop_token(*child.innermost);
  (child.previous_sibling == nullptr ? scope.first_child : child.previous_sibling->next_sibling) = child.next_sibling;
  if (child.next_sibling != nullptr) child.next_sibling->previous_sibling = child.previous_sibling;
}

}  // namespace ramie::inline v0::parking
