// What guards a stack, and what is known of one.
//
// Status: stable.
//
// The contract: guarded, or you are told. A stack whose guard did not answer a probe is never handed out; when nothing
// can guard a stack, creation throws stack_error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

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
  // From the first frame to the deepest word that this fiber has ever written: exact, where most_used_bytes counts
  // pages and other fibers' before it. 0 unless measure_stacks(true) held when it started. Asking scans the stack's
  // pages.
  std::size_t deepest_bytes = 0;
};

// How deep fibers go, to give each the stack that it needs. Off at first, and then free; while it is on, a fiber's
// start and end cost some 2 us more for a stack of a page or two (its pages are cleared before, and searched
// afterwards). Applies to fibers that start from now on. RAMIE_STACK_USE=1 in the environment turns it on at once and
// prints stack_use_report() to standard error when the process exits. What a frame reserves and never writes is not
// seen, and neither are words that are zero. Any thread.
void measure_stacks(bool on) noexcept;

// The measured fibers that were made at one place of the source.
struct stack_use {
  std::string made_at;              // "main.cpp:12", or the function's type where a container made them
  std::uint64_t fibers = 0;         // that have ended, or belong to the calling thread
  std::size_t usable_bytes = 0;     // the largest stack that one of them had
  std::size_t deepest_bytes = 0;    // the most that one of them wrote
  std::size_t suggested_bytes = 0;  // for .stack_bytes: half as much again and a page, at least 8 KiB
};
// Deepest first. The first 256 places are told apart. Reads every control block: a few milliseconds at a million
// fibers.
[[nodiscard]] std::vector<stack_use> stack_use_by_site();
// The same as text, a line each.
[[nodiscard]] std::string stack_use_report();

// What becomes of the memory of stacks that are free. What each costs: docs/guide/stacks.md.
enum class trim : unsigned char {
  keep,     // it stays with the process: the next fiber finds warm pages
  free,     // MADV_FREE: the kernel takes it when memory is short; until then it counts as resident
  dontneed  // MADV_DONTNEED: it goes back at once; the next fiber there pays a page fault for each page it touches
};
// "keep", "free", "dontneed": the names that RAMIE_TRIM takes.
[[nodiscard]] const char* name_of(trim policy) noexcept;

struct stack_trim_options {
  // Free stacks of one size, taken as if each were touched in full, that stay as they are; what exceeds it is trimmed,
  // those first that have been free for longest. Trimming begins at twice as much, so that a population that breathes
  // does not pay each time. Beside these, each thread keeps up to 256 stacks of a size.
  std::size_t keep_bytes = std::size_t{64} << 20;
  trim policy = trim::dontneed;
};
// For all stacks of this process, from now on; RAMIE_TRIM in the environment overrides the policy. Any thread.
void set_stack_trim(const stack_trim_options& options) noexcept;
[[nodiscard]] stack_trim_options stack_trim() noexcept;

// Hands back the memory of every free stack now, except those that other threads keep; by `free` if that is the policy,
// else at once. Returns how many stacks that were. About 0.7 us each, more for each page that was touched. Any thread.
std::size_t trim_stacks() noexcept;

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
  std::uint64_t trimmed;   // how often the memory of one was handed back, ever
};
[[nodiscard]] stack_counts count_stacks() noexcept;

}  // namespace ramie

#pragma GCC visibility pop
