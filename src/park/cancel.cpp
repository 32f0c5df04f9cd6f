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
  std::exception_ptr cause;
  bool absorbed = false;

  delivery(const cancel_scope* to, const parked* in, host* at) : target(to), task(in), home(at), cause(to->cause) {}
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
    here->running->delivered = nullptr;
    here->running->interrupt = true;
  }
};

std::exception_ptr cancelled::cause() const noexcept { return told_->cause; }
bool cancelled::is_for(const cancel_scope& scope) const noexcept { return told_->target == &scope; }
void cancelled::absorb() const noexcept {
  told_->absorbed = true;
  if (host* here = parking::this_host(); here != nullptr && here->running != nullptr) {
    if (here->running->delivered == told_->target) here->running->delivered = nullptr;
  }
}

}  // namespace ramie

namespace ramie::inline v0::parking {

cancel_scope* deliverable(parked& task) noexcept {
  cancel_scope* outermost = nullptr;
  for (cancel_scope* scope = task.innermost; scope != nullptr; scope = scope->outer) {
    if (scope->requested) outermost = scope;
    if (scope->shields) break;
  }
  if (outermost != nullptr && outermost != task.delivered) return outermost;
  task.interrupt = false;
  return nullptr;
}

void check_cancelled(host& here) {
  parked& me = *here.running;
  if (!me.interrupt || context::this_thread_words()->exceptions->uncaught != 0) return;
  cancel_scope* asked = deliverable(me);
  if (asked == nullptr) return;
  me.interrupt = false;
  me.delivered = asked;
  throw cancelled(std::make_shared<cancelled::delivery>(asked, &me, &here));
}

namespace {

// A request was made somewhere around it. One that waits is called off, another is told at its next wait.
void interrupt(parked& one) noexcept {
  one.interrupt = true;
  tell_stop_tokens(one);
  if (one.waits_on == nullptr || one.waits_on->kind->withdraw == nullptr) return;
  if (control::is_unwinding(one.chain) || deliverable(one) == nullptr) return;
  waiter& on = *one.waits_on;
  if (!on.kind->withdraw(on)) return;
  on.state.store(interrupted, std::memory_order_relaxed);
  one.waits_on = nullptr;
  // Letters are opened between two runs, too, when the thread has no host.
  on.home->make_ready(one);
}

// The tasks below the scopes of one task, from its innermost outwards to `outermost`.
void interrupt_children(cancel_scope* innermost, const cancel_scope* outermost) noexcept {
  for (cancel_scope* scope = innermost; scope != nullptr; scope = scope->outer) {
    for (parked* child = scope->first_child; child != nullptr; child = child->next_sibling) {
      const cancel_scope* own = child->innermost;
      while (own->outer != scope) own = own->outer;
      interrupt_children(child->innermost, own);
      interrupt(*child);
    }
    if (scope == outermost) return;
  }
}

void interrupt_all_inside(cancel_scope& scope) noexcept {
  if (scope.owner != nullptr) {
    interrupt_children(scope.owner->innermost, &scope);
    interrupt(*scope.owner);
  } else {
    interrupt_children(&scope, &scope);
  }
}

}  // namespace

void cancel_scope::enter() {
  host* here = this_host();
  if (here == nullptr || here->running == nullptr) {
    throw std::logic_error("no task runs here: scopes and time limits live in tasks; start one with ramie::run");
  }
  owner = here->running;
  outer = owner->innermost;
  owner->innermost = this;
}

void cancel_scope::leave() noexcept {
  RAMIE_CHECK(owner->innermost == this && first_child == nullptr);
  owner->innermost = outer;
  if (stop_place != 0) forget_stop_token(*this);
  if (owner->delivered == this) owner->delivered = nullptr;
  owner->interrupt = true;  // what it shielded from; the next wait finds out
}

void cancel_scope::cancel(std::exception_ptr why) noexcept {
  if (std::exchange(requested, true)) return;
  cause = std::move(why);
  interrupt_all_inside(*this);
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
