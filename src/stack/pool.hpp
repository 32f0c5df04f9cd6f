// Where stacks come from and go back to: a cache per thread, last in first out, above the shared arenas.
//
// acquire() and release() on one thread touch no lock and make no system call while the cache holds a slot: the stack
// that was used last, still in the processor's cache, is used next. Threads exchange slots with the shared lists in
// batches. Free-list data lies in the slots' records, never in the stacks, so a free stack stays as it is.
#pragma once

#include "stack/size_class.hpp"
#include "stack/slot.hpp"

#include <ramie/stack.hpp>

#include <cstddef>
#include <cstdint>

namespace ramie::stack {

// What a fiber asks for, resolved once when it is created.
struct request {
  size_class shape;
  ramie::guard guard = ramie::guard::automatic;
};

// Checks a size (0: the default). Throws stack_error when it is more than most_bytes.
request make_request(std::size_t stack_bytes, ramie::guard guard);

// A guarded stack for `owner`, or stack_error. About 5 ns from the cache, 700 ns and a page fault for a new one.
slot* acquire(const request& wanted, void* owner);

// Gives it back. Same thread or another; nothing may run on it any more.
void release(slot* used) noexcept;

// The calling thread ends: its cached slots go to the shared lists.
void release_thread_cache() noexcept;

// Whose slot is this address in (its guard included)? Null for addresses that are no stack of ours. Any thread, also
// from a signal handler: takes no lock.
slot* slot_at(std::uintptr_t address) noexcept;

// Pages of the slot that were touched since it was last trimmed, in bytes.
std::size_t most_used_bytes(const slot& of) noexcept;

// How large the guard below this slot is.
std::size_t guard_bytes_of(const slot& of) noexcept;

// Around fork: the lists must not be half-changed in the child. In the child, guards are put in force again before
// anything else runs; one that cannot be is reported and its stacks say guard::none.
void before_fork() noexcept;
void after_fork_parent() noexcept;
void after_fork_child() noexcept;

}  // namespace ramie::stack
