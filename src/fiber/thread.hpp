// A thread that runs fibers: its root, and what happens to its fibers when it ends.
#pragma once

#include "fiber/slab.hpp"

namespace ramie::inline v0::control {

using context::thread_words;

// The calling thread's words; at first use gives it a root block, an alternate signal stack for overflow reports, and
// an end: when the thread exits its fibers are unwound, newest first.
thread_words& this_thread();

// Counts a fiber that starts or has ended here; switches looking ahead on and off.
void count_started(thread_words& thread) noexcept;
void count_ended(thread_words& thread) noexcept;

// A new id, unique in the process, growing within a thread.
std::uint64_t next_id(thread_words& thread) noexcept;

// The handle of a started fiber died on another thread than its home: the home will see to it at its next switch, or
// has ended, and with it the fiber.
void send_home(control_block* fiber) noexcept;

// Around fork: the child knows only the thread that forked.
void lock_threads() noexcept;
void unlock_threads() noexcept;
void forget_other_threads() noexcept;

}  // namespace ramie::inline v0::control
