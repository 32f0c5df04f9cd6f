// A thread that runs fibers: its root, and what happens to its fibers when it ends.
#pragma once

#include "base/check.hpp"
#include "fiber/slab.hpp"

namespace ramie::inline v0::control {

using context::thread_words;

// The calling thread's words; at first use gives it a root block, an alternate signal stack for overflow reports, and
// an end: when the thread exits its fibers are unwound, newest first. Throws stack_error (shadow_stack) and bad_alloc.
void meet_thread(thread_words& thread);
inline thread_words& this_thread() {
  thread_words& thread = *context::this_thread_words();
  if (thread.root == nullptr) [[unlikely]]
    meet_thread(thread);
  return thread;
}

// Counts a fiber that starts or has ended here; switches looking ahead on and off.
void decide_looking_ahead(thread_words& thread) noexcept;
inline constexpr std::uint64_t decision_step = context::prefetch_transfers_from_fibers;
static_assert(context::prefetch_from_fibers % decision_step == 0 && (decision_step & (decision_step - 1)) == 0);
inline void count_started(thread_words& thread) noexcept {
  if (++thread.started % decision_step == 0) [[unlikely]]
    decide_looking_ahead(thread);
}
inline void count_ended(thread_words& thread) noexcept {
  RAMIE_CHECK(thread.started > 0);
  if (thread.started-- % decision_step == 0) [[unlikely]]
    decide_looking_ahead(thread);
}

// A new id, unique in the process, growing within a thread.
void take_ids(thread_words& thread) noexcept;
inline std::uint64_t next_id(thread_words& thread) noexcept {
  if (thread.next_id == thread.end_id) [[unlikely]]
    take_ids(thread);
  return thread.next_id++;
}

// The handle of a started fiber died on another thread than its home: the home will see to it at its next switch, or
// has ended, and with it the fiber.
void send_home(control_block* fiber) noexcept;

// The process ends by an exit() that was called in a fiber of this thread.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local bool exiting_in_a_fiber;

// The lock around what all threads share here. A fork takes it; the child knows only the thread that forked.
void lock_threads() noexcept;
void unlock_threads() noexcept;

}  // namespace ramie::inline v0::control
