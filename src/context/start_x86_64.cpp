#include <ramie/context/switch.hpp>

#if !defined(RAMIE_SWITCH_UCONTEXT) && defined(__x86_64__)

#include "context/start.hpp"

// Arrives with rbx = argument, rbp = function, rdi = message, and the stack pointer 16-aligned. The return address is
// declared undefined: unwinders, gdb and backtrace() end here; rbp is zero for those who follow frame pointers.
asm(R"(
  .text
  .p2align 4
  .globl ramie_first_frame
  .hidden ramie_first_frame
  .type ramie_first_frame, @function
ramie_first_frame:
  .cfi_startproc
  .cfi_undefined rip
  endbr64
  mov %rdi, %rsi
  mov %rbx, %rdi
  mov %rbp, %rax
  xor %ebp, %ebp
  call *%rax
  ud2
  .cfi_endproc
  .size ramie_first_frame, . - ramie_first_frame
)");

extern "C" void ramie_first_frame();

namespace ramie::inline v0::context {

std::uintptr_t prepare(std::uintptr_t, std::uintptr_t high, first_function function, void* argument) noexcept {
  // Two zero words above the frame: the return address and saved frame pointer of a caller that does not exist.
  auto* top = reinterpret_cast<std::uintptr_t*>((high & ~std::uintptr_t{15}) - 16);
  top[0] = 0;
  top[1] = 0;
  *--top = reinterpret_cast<std::uintptr_t>(function);  // rbp
  *--top = reinterpret_cast<std::uintptr_t>(argument);  // rbx
  *--top = reinterpret_cast<std::uintptr_t>(&ramie_first_frame);
  return reinterpret_cast<std::uintptr_t>(top);
}

void leave_for_good(std::uintptr_t sp, std::uintptr_t message, control_block* self, std::uintptr_t word) noexcept {
  asm volatile(
      "mov %%rcx, %%rsp\n\t"
      "pop %%rcx\n\t"
      "pop %%rbx\n\t"
      "pop %%rbp\n\t"
      "jmp *%%rcx\n\t"
      :
      : "a"(word), "D"(message), "S"(self), "c"(sp)
      : "memory");
  __builtin_unreachable();
}

parked_frame frame_at(std::uintptr_t sp) noexcept {
  const auto* words = reinterpret_cast<const std::uintptr_t*>(sp);
  // The code goes on at rip with the stack pointer above the three words and the red zone. A resumer has a fourth
  // word, which it pops itself; one word off is right for nobody's frame-pointer walk and harmless for it.
  return {words[0], sp + 3 * sizeof(std::uintptr_t) + 128, words[2]};
}

parked_frame resumer_frame_at(std::uintptr_t resumer_sp) noexcept {
  parked_frame at = frame_at(resumer_sp);
  at.sp += sizeof(std::uintptr_t);
  return at;
}

}  // namespace ramie::inline v0::context

#endif
