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

// The outermost scope that asked, that no shield hides and that the task was not told of; null: none.
cancel_scope* deliverable(parked& task) noexcept;
// Throws ramie::cancelled when the running task has not been told of a request around it.
void check_cancelled(host& here);
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
