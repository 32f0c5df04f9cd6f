// The stacks that a thread has from the system: its own, and the alternate one that signal handlers run on.
//
// The calling thread only. Values in, values or null out; no policy.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ramie::os {

// Where the calling thread's own stack lies: [low, high). Both 0 when libc does not know. The main thread's low end is
// where its limit (RLIMIT_STACK) lets it grow to. Reads /proc/self/maps on the main thread, so it takes time with the
// number of mappings.
struct stack_bounds {
  std::uintptr_t low = 0;
  std::uintptr_t high = 0;
};
stack_bounds own_stack_bounds() noexcept;

// An alternate signal stack for the calling thread, with room for `handler_bytes` above what the kernel's frame takes
// (3.4 KiB with AVX-512, 11 with AMX). Null when the thread has one that is as large, and when one is refused.
void* add_signal_stack(std::size_t handler_bytes) noexcept;

// Gives back what add_signal_stack() returned for this number of bytes, on the same thread.
void remove_signal_stack(void* added, std::size_t handler_bytes) noexcept;

}  // namespace ramie::os
