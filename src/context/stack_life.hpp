// What the checkers are told of a stack's life: when a fiber gets it, and when nothing runs on it any more.
//
// The switches tell them the rest (ramie/context/sanitizer.hpp). The home thread of the fiber, on any other stack.
//
// AddressSanitizer: what lies on a stack that no fiber holds may not be touched; memory that only a parked fiber's
// stack points to is no leak. A birth and a death then cost 0.8 us beside ten started fibers, 10 us beside 10,000, 77
// beside 100,000 (its list of places to look for pointers is searched), and a byte is written per eight of stack, of
// the upper 256 KiB at most.
// ThreadSanitizer: a fiber is a thread of its own, 0.9 MB each and 8,128 at most, in step with the others of its
// thread. Valgrind: the stack pointer changes stacks, it has not run away. Without a checker: one load and one test.
#pragma once

#include <cstdint>

namespace ramie::inline v0::context {

// Somebody is there to be told: a checker is compiled in, or Valgrind runs us. Set before main().
[[gnu::visibility("hidden")]] extern const bool stacks_are_watched;

void* tell_stack_begins(std::uintptr_t low, std::uintptr_t high) noexcept;
// The same of a stack that is lent to code which switches by its own means and tells ThreadSanitizer itself.
void* tell_stack_lent(std::uintptr_t low, std::uintptr_t high) noexcept;
void tell_stack_ends(void* record, std::uintptr_t low, std::uintptr_t high) noexcept;

// What the checker calls the fiber on this stack: kept in the control block, for the switches and for the end.
inline void* stack_begins(std::uintptr_t low, std::uintptr_t high) noexcept {
  return stacks_are_watched ? tell_stack_begins(low, high) : nullptr;
}
inline void stack_ends(void* record, std::uintptr_t low, std::uintptr_t high) noexcept {
  if (stacks_are_watched) [[unlikely]]
    tell_stack_ends(record, low, high);
}

// The running frames are about to be left without returning, by forced unwinding, which AddressSanitizer does not see
// as it sees a throw: what it has marked around their locals would be taken for the next frames' own.
void stack_unwinds() noexcept;

}  // namespace ramie::inline v0::context
