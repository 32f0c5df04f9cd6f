#include "context/shadow_stack.hpp"

#include <cstdint>

namespace ramie::inline v0::context {

#if defined(__x86_64__)

bool shadow_stack_is_active() noexcept {
  std::uintptr_t shadow_stack_pointer = 0;
  asm volatile("rdsspq %0" : "+r"(shadow_stack_pointer));  // keeps its operand where there is none
  return shadow_stack_pointer != 0;
}

#elif defined(__aarch64__)

bool shadow_stack_is_active() noexcept {
  register std::uintptr_t features asm("x16") = 1;  // bit 0: the guarded control stack
  asm volatile("hint #40" : "+r"(features));        // chkfeat x16 clears the bits of what is enabled
  return (features & 1) == 0;
}

#else

bool shadow_stack_is_active() noexcept { return false; }

#endif

}  // namespace ramie::inline v0::context
