// The frames of a stack: one that was interrupted, one that is parked, and the one that asks.
//
// All of it is safe in signal handlers: no allocation, no lock, no system call (but stack_around), errno untouched. It
// reads only inside the bounds that it is given, which must be readable: on a stack with a guard, the bytes above it.
// Stack: 5 KiB, and 3 more while libraries are bound lazily; an alternate stack of 16 KiB holds the kernel's own frame
// (3 KiB with AVX-512), a trace and a report. Cost: 2 us for the usual dozen of frames, 40 ns for each of a recursion
// (524,000 in 20 ms).
//
// The walk follows the compiler's unwind tables and, through code that has none, the frame pointer. It is exact through
// code with either; through code with neither it ends early or shows a wrong frame, and never reads what it must not.
#pragma once

#include "backtrace/frame.hpp"

#include <ucontext.h>

#include <cstdint>

namespace ramie::backtrace {

// What ran when a signal came: `context` is the handler's third argument. The first frame is the interrupted
// instruction itself. Call it in the handler. After an overflow the stack pointer may lie below `bounds`, in the guard.
trace collect_interrupted(const ucontext_t& context, stack_bounds bounds, std::uint64_t limit = UINT64_MAX) noexcept;

// A stack that has switched away. Its owner must keep it from running meanwhile. `limit`: not more frames than that.
trace collect_parked(const resume_point& point, stack_bounds bounds, std::uint64_t limit = UINT64_MAX) noexcept;

// The caller's own frames; the newest is the function that called this. Only the bounds' high end matters.
trace collect_here(stack_bounds bounds, std::uint64_t limit = UINT64_MAX) noexcept;

// Bounds for a stack that nobody here has made, as a thread's is: from `sp` to the end of its mapping. Reads
// /proc/self/maps, so its cost grows with the number of mappings. Empty where there is no procfs.
stack_bounds stack_around(std::uintptr_t sp) noexcept;

}  // namespace ramie::backtrace
