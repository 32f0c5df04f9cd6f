#include <ramie/context/switch.hpp>

#if !defined(RAMIE_SWITCH_UCONTEXT) && defined(__aarch64__)

#include "context/start.hpp"

// Arrives with x19 = argument, x29 = function, x1 = message, and its four words still on the stack. The return address
// is declared undefined: unwinders, gdb and backtrace() end here; x29 is zero for those who follow frame pointers.
// `hint #34` is `bti c`, where a jump by way of x16 may land.
asm(R"(
  .text
  .p2align 4
  .globl ramie_first_frame
  .hidden ramie_first_frame
  .type ramie_first_frame, %function
ramie_first_frame:
  .cfi_startproc
  .cfi_undefined x30
  hint #34
  add sp, sp, #32
  mov x0, x19
  mov x16, x29
  mov x29, xzr
  mov x30, xzr
  blr x16
  brk #1
  .cfi_endproc
  .size ramie_first_frame, . - ramie_first_frame
)");

extern "C" void ramie_first_frame();

namespace ramie::inline v0::context {

std::uintptr_t prepare(std::uintptr_t, std::uintptr_t high, first_function function, void* argument) noexcept {
  // Two zero words above the frame: what a walk over frame pointers finds when it goes one too far.
  auto* top = reinterpret_cast<std::uintptr_t*>((high & ~std::uintptr_t{15}) - 16);
  top[0] = 0;
  top[1] = 0;
  *--top = 0;                                           // no resumer's block
  *--top = reinterpret_cast<std::uintptr_t>(function);  // x29
  *--top = reinterpret_cast<std::uintptr_t>(argument);  // x19
  *--top = reinterpret_cast<std::uintptr_t>(&ramie_first_frame);
  return reinterpret_cast<std::uintptr_t>(top);
}

void leave_for_good(std::uintptr_t sp, std::uintptr_t message, control_block* self, std::uintptr_t word) noexcept {
  register std::uintptr_t x0 asm("x0") = word;
  register std::uintptr_t x1 asm("x1") = message;
  register control_block* x2 asm("x2") = self;
  register std::uintptr_t x3 asm("x3") = sp;
  asm volatile(
      "ldp x16, x19, [x3]\n\t"
      "ldr x29, [x3, #16]\n\t"
      "mov sp, x3\n\t"
      "br x16\n\t"
      :
      : "r"(x0), "r"(x1), "r"(x2), "r"(x3)
      : "memory");
  __builtin_unreachable();
}

parked_frame frame_at(std::uintptr_t sp) noexcept {
  const auto* words = reinterpret_cast<const std::uintptr_t*>(sp);
  return {words[0], sp + parked_bytes, words[2]};
}

parked_frame resumer_frame_at(std::uintptr_t resumer_sp) noexcept { return frame_at(resumer_sp); }

}  // namespace ramie::inline v0::context

#endif
