// Letting go of a suspended fiber without unwinding it, when unwinding would do nothing.
//
// Forced unwinding costs a microsecond and more even where no frame has a destructor to run or a handler to enter. The
// compilers' tables say so for each call; what they say is remembered by return address, so that the second fiber that
// dies at the same place is looked at in 10 ns. Only when each frame between the suspend and the fiber's first one is
// known to have nothing to run are the frames left as they are. Everything else is unwound: frames with a destructor
// that is due, a catch, a noexcept that unwinding may not cross, code without tables, code of libraries that may be
// unloaded (a remembered address might come to mean another function), and all of them under AddressSanitizer, which
// counts on unwinding to forget a frame's red zones.
//
// Home thread only; the memory is each thread's own.
#pragma once

#include <ramie/context/control_block.hpp>

#include <cstdint>

namespace ramie::inline v0::control {

// Whether this fiber, suspended with nothing in flight, may be let go of as it stands. False when not known.
bool frames_are_idle(const context::control_block* fiber) noexcept;

// Learning about the innermost frame: where it waits says nothing of what its suspend() may throw there, the call that
// delivers the kill does. So the first fiber that dies at a place is unwound: who kills it says where it waits, and the
// delivering function by whom it was called (its return address, its own frame address).
void prepare_to_learn(std::uintptr_t word) noexcept;
void learn_frame(std::uintptr_t return_address, std::uintptr_t frame_address) noexcept;

// The thread ends.
void forget_frames() noexcept;

}  // namespace ramie::inline v0::control
