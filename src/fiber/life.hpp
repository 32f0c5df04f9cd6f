// A fiber's life outside of its switches: its first frame, its end, and the death of its handle. Home thread only.
#pragma once

#include "fiber/thread.hpp"

namespace ramie::inline v0::control {

// Takes a stack for a created fiber and lays its first frame; returns what a switch continues. Throws stack_error;
// the fiber is then still created.
std::uintptr_t start(thread_words& thread, control_block* fiber);

// A fiber ended and control has left its stack: the stack goes back. The block stays until the handle dies.
void reap(thread_words& thread, control_block* fiber) noexcept;

// The handle of an ended fiber died: whatever it still holds is dropped, the block is free.
void release_ended(control_block* fiber) noexcept;

// The handle of a fiber of this thread died, in whatever state.
void destroy_at_home(control_block* fiber) noexcept;

// Kills a suspended fiber and resumes it until it has ended. One that will not end is reported and the process aborts.
void unwind_fully(control_block* fiber) noexcept;

// Continues a parked fiber towards its end: kills it, or goes on with a kill that it has suspended in. By resume, also
// when it left by transfer: who destroys a fiber is where control comes back to, not where it once left the chain.
void continue_unwinding(control_block* fiber);
// Its function has been told to end and will, if the fiber is continued as usual.
bool will_end_by_itself(const control_block* fiber) noexcept;

// Somebody resumed this running or transferred fiber and waits for it.
inline bool has_resumer(const control_block* fiber) noexcept {
  return fiber->resumer_sp != 0 || cold(fiber).held_resumer_sp != 0;
}

void drop_locals(control_block* fiber) noexcept;
// Copies of the running fiber's locals, for a fiber that it makes; null when it has none. Throws what copying throws.
local_values* copy_locals();

// "fiber 'parser' (#17, made at main.cpp:12)", into a buffer; for reports and error texts. Never allocates.
struct fiber_title {
  char text[160];
  explicit fiber_title(const control_block* fiber) noexcept;
};

// Continues `fiber` at `sp` by the protocol of resume(), with everything that the inlined path leaves out: exceptions
// in flight on either side, a message.
bool resume_with(thread_words& thread, control_block* fiber, std::uintptr_t sp, std::uintptr_t message);

// Unwinds the running fiber from here, and ends it. On a thread's own stack: ends the thread.
[[noreturn]] void unwind_self(thread_words& thread);

// The running fiber has ended: continues its resumer, or the fiber at which control left the root's chain. `escaped`
// may be null. `how`: pending::nothing for an ordinary end, pending::thread_exit when the thread is to exit.
[[noreturn]] void end_self(control_block* self, std::exception_ptr escaped, pending how) noexcept;

}  // namespace ramie::inline v0::control
