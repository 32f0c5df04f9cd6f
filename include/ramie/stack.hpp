// What guards a stack, and what is known of one.
//
// Status: stable.
//
// The contract: guarded, or you are told. A stack whose guard did not answer a probe is never handed out; when nothing
// can guard a stack, creation throws stack_error.
#pragma once

#include <cstddef>
#include <cstdint>

#pragma GCC visibility push(default)
namespace ramie {

// How a stack's lowest page is kept from being written. Listed from the best to the last resort; `automatic` takes the
// first that a probe has hit on this machine. The environment variable RAMIE_GUARD forces one by its name.
enum class guard : unsigned char {
  automatic,
  region,        // MADV_GUARD_INSTALL: Linux 6.13; no mapping each; an overflow is SIGSEGV
  poison,        // UFFDIO_POISON: Linux 6.6; no mapping each; SIGBUS
  wp,            // UFFDIO_WRITEPROTECT of an untouched page: Linux 6.4; no mapping each; SIGBUS on write
  wp_populated,  // the same after the page was read once: Linux 5.7; no mapping each; SIGBUS on write
  mprotect,      // PROT_NONE: any kernel; two mappings each, so about 32,000 stacks by default; SIGSEGV
  none           // no guard, for those who ask: an overflow silently writes into the next stack
};

// "region", "wp-populated", ...: the names that RAMIE_GUARD takes and that reports print.
[[nodiscard]] const char* name_of(guard kind) noexcept;

// What is known of one stack. Sizes in bytes.
struct stack_info {
  ramie::guard guard = ramie::guard::none;
  std::size_t usable_bytes = 0;     // between the guard and the first frame
  std::size_t guard_bytes = 0;      // what a single frame would have to jump over
  std::size_t in_use_bytes = 0;     // from the saved stack pointer to the top; 0 while it runs or before it starts
  std::size_t most_used_bytes = 0;  // pages of it that have ever been touched since it was last trimmed
  std::uintptr_t low = 0, high = 0;
};

// Why a better guard than the one in use was not taken: for logs and `ramie bench fibers`.
struct guard_trial {
  ramie::guard guard;
  bool works;
  char reason[96];  // "" when it works
};

// Probes every rung of the ladder now and writes one row each, best first; returns how many (at most five).
// Costs a few system calls each and about 50 us in all. Any thread.
std::size_t try_guards(guard_trial (&trials)[5]) noexcept;

// The stacks of this process, all threads: what `ramie bench fibers` and metrics show. Any thread; a snapshot.
struct stack_counts {
  ramie::guard guard;    // the rung that `automatic` takes now
  std::uint64_t opened;  // stacks that exist, with their guards in force
  std::uint64_t in_use;  // of these, under a fiber
  std::uint64_t reserved_bytes;
  std::uint64_t acquired;  // how often a stack was handed out, ever
};
[[nodiscard]] stack_counts count_stacks() noexcept;

}  // namespace ramie

#pragma GCC visibility pop
