// The refusal of a thread whose returns the processor checks: in words, where the first switch would be a SIGSEGV.
#pragma once

namespace ramie::inline v0::control {

// Throws stack_error (stack_limit::shadow_stack) when `active`, which context::shadow_stack_is_active() says of the
// calling thread. Nothing has changed then, and the thread is asked again at its next fiber.
void refuse_shadow_stack(bool active);

}  // namespace ramie::inline v0::control
