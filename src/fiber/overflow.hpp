// The report of a stack overflow: a fiber that touches its guard is named, with the size to ask for.
#pragma once

#include "stack/slot.hpp"

#include <cstdint>

namespace ramie::inline v0::control {

// Under lock_threads(), and once per process, later calls do nothing: handlers for SIGSEGV and SIGBUS that recognise
// our guards and pass everything else on to the handlers that were there.
void install_overflow_handler();

// The calling thread gets an alternate signal stack, unless it has one that is large enough; and gives it back.
void add_overflow_stack() noexcept;
void remove_overflow_stack() noexcept;

// Writes the report of an access to the guard of `slot` at `address`, from code whose stack pointer and machine state
// (ucontext_t) are given. In the signal handler only.
void report_overflow(const stack::slot& slot, std::uintptr_t address, std::uintptr_t stack_pointer,
                     const void* machine) noexcept;

}  // namespace ramie::inline v0::control
