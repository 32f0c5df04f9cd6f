// The only way to wait, and the only way to end a wait.
//
//     parking::waiter me;                      // on the stack that is going to wait
//     lock; if (nothing there) list.push_back(me); unlock;
//     parking::park(me, receive_wait);         // returns when woken; throws ramie::cancelled when told to go
//
// A fiber of a host parks: its whole chain is left, others run. A thread without a host blocks. Whoever takes the
// waiter out of its list calls wake(), once, from any thread, without the list's lock if it likes.
#pragma once

#include "park/host.hpp"

namespace ramie::inline v0::parking {

// Waits. Throws ramie::cancelled when a scope around it is or becomes cancelled and the wait could be called off.
void park(waiter& me, const wait_kind& kind);
// Waits, and is not called off: for what must be waited for.
void park_shielded(waiter& me, const wait_kind& kind) noexcept;

// Ends the wait of one that was taken out of its list. Any thread; never waits.
void wake(waiter& one) noexcept;

// Charges the running task; lets others run when its slice is used up. Never throws, never waits for anything else.
void reductions_spent(host& here) noexcept;
inline void charge(std::int64_t reductions) noexcept {
  host* here = this_host();
  if (here == nullptr) return;
  here->budget -= reductions;
  if (here->budget < 0 || here->ticks.load(std::memory_order_relaxed) != here->ticks_seen) [[unlikely]]
    reductions_spent(*here);
}

// To the end of the line of those that are ready.
void yield(host& here) noexcept;

// The outermost scope that asked, that no shield hides and that the task was not told of; null: none.
cancel_scope* deliverable(parked& task) noexcept;
// Throws ramie::cancelled when the running task has not been told of a request around it.
void check_cancelled(host& here);
// A request was made somewhere around these: those that wait are called off, the others are told at their next wait.
void interrupt(parked& one) noexcept;
void interrupt_all_inside(cancel_scope& scope) noexcept;

// Puts a task into the list of a scope's children, and takes it out.
void adopt(cancel_scope& scope, parked& child) noexcept;
void orphan(cancel_scope& scope, parked& child) noexcept;

}  // namespace ramie::inline v0::parking
