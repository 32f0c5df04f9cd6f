// Whether the processor checks this thread's returns against a second stack that only calls and returns move.
//
// A switch moves the stack pointer and leaves by a jump, so such a stack (x86: CET's SHSTK; aarch64: GCS) stays where
// it was, and the first return on the other side is a SIGSEGV. Asked by effect, of the processor: an instruction that
// does nothing where there is no such stack, on any processor, kernel or emulator. The calling thread only; 1 ns.
#pragma once

namespace ramie::inline v0::context {

bool shadow_stack_is_active() noexcept;

}  // namespace ramie::inline v0::context
