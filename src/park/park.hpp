// The waist, seen from below: what a host and the rooms of tasks add to wait.hpp.
#pragma once

#include "park/host.hpp"

#include <stop_token>

namespace ramie::inline v0::parking {

// Threads of this process that are ours and have nothing to do: none of them can wake anybody, and who asks whether all
// wait for ever does not count them.
extern std::atomic<std::uint32_t> threads_at_rest;

// To the end of the line of those that are ready.
void yield(host& here) noexcept;

// A block in one of its task's frames, not a task's own scope.
inline bool is_block(const cancel_scope& scope) noexcept {
  return scope.outer != nullptr && scope.outer->owner == scope.owner;
}
// The next one outwards of a task's own, from parked::innermost to the task's; then those it was spawned in.
inline cancel_scope* next_outwards(const cancel_scope& scope) noexcept {
  return is_block(scope) ? static_cast<const block_scope&>(scope).entered_before : scope.outer;
}
// The innermost around what the task does now.
cancel_scope& current_scope(const parked& task) noexcept;
// The outermost scope that asked, that no shield hides, that the task was not told of, and to which an exception can
// be thrown from where it is: not through a destructor that runs because of another. Null: none.
cancel_scope* deliverable(parked& task) noexcept;
// Throws ramie::cancelled when the running task has not been told of a request around it.
void check_cancelled(host& here);
// To those inside of a scope that asked before: what they are on their way out for is forgotten, so that they are told
// again where they wait meanwhile.
void ask_again(cancel_scope& scope) noexcept;
// A token that is stopped when a request reaches what waits in this scope. Home thread, as the two below.
std::stop_token stop_token_in(cancel_scope& scope);
// Stops those of the task's scopes that a request has reached.
void tell_stop_tokens(const parked& task) noexcept;
// The scope that has one ends; tokens that are left are never stopped.
void forget_stop_token(cancel_scope& scope) noexcept;

// Puts a task into the list of a scope's children, and takes it out.
void adopt(cancel_scope& scope, parked& child) noexcept;
void orphan(cancel_scope& scope, parked& child) noexcept;

}  // namespace ramie::inline v0::parking
