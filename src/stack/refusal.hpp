// Turns the kernel's ENOMEM into the limit that was meant, with its numbers and what to type.
#pragma once

#include <ramie/error.hpp>

#include <cstddef>
#include <cstdint>

namespace ramie::stack {

// The error for a reservation, an opening or a guard of `bytes` that the kernel refused with `errno_value`. Reads
// /proc to find out which limit it was: a millisecond, 40 on a process with 60,000 mappings.
[[nodiscard]] stack_error explain_refusal(int errno_value, const char* call, std::uint64_t bytes);

// The error for an mprotect guard that we refuse before the kernel does.
[[nodiscard]] stack_error out_of_mappings(std::uint64_t used, std::uint64_t allowed, std::uint64_t kept_free,
                                          const char* why_no_better_guard);

[[nodiscard]] stack_error bad_size(std::size_t asked);
[[nodiscard]] stack_error no_guard(const char* asked_for, const char* reason);
[[nodiscard]] stack_error guard_lost(const char* kind);

}  // namespace ramie::stack
