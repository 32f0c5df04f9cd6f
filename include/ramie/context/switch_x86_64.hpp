// Changing stacks on x86-64 System V, inlined.
//
// Status: experimental; inlined into users' code, not for direct use.
//
// A parked continuation is four words at its stack pointer, below the red zone of whatever function was running:
//
//     sp -> [ rip ][ rbx ][ rbp ]( resume only: [ the resumer's control block ] )  ... 128 bytes red zone ...
//
// Everything else is declared clobbered, so the compiler saves what is live and nothing more. rbx and rbp are saved
// here and not clobbered: clang uses both as frame bases in functions with over-aligned or variable-size locals and
// ignores a clobber of them without a word. The step over the red zone is needed because a push would overwrite a leaf
// function's locals. We leave by an indirect jump: a `ret` would mispredict at every new stack (20 ns instead of 3).
// MXCSR and the x87 control word are not switched (7 ns): a fiber that changes rounding changes it for its thread.
//
// The partner's stack pointer travels in a register, so the loads that miss the cache (its rip, rbx, rbp) depend on
// nothing but its control block, and the processor overlaps the misses of several fibers.
#pragma once

#if !defined(__x86_64__) || defined(__ILP32__)
#error "this file is for x86-64 with 64-bit pointers"
#endif

#include <ramie/context/control_block.hpp>

#define RAMIE_CLOBBERS_BASE                                                                                       \
  "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc", "st", "st(1)", "st(2)", "st(3)",   \
      "st(4)", "st(5)", "st(6)", "st(7)", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
      "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
// g++ refuses the names of registers that its target lacks, and loses values in them when they are not named; clang
// takes the names always. So under g++ a function with __attribute__((target("avx512f"))) in a file that is compiled
// without AVX-512 must not resume or suspend itself: give the whole file -mavx512f, or call a function that does.
#if defined(__AVX512F__) || defined(__clang__)
#define RAMIE_CLOBBERS                                                                                           \
  RAMIE_CLOBBERS_BASE, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", \
      "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define RAMIE_CLOBBERS RAMIE_CLOBBERS_BASE
#endif
// Under -fcf-protection the place that we jump to says so. User-mode indirect-branch tracking does not exist on Linux
// yet; the marker costs nothing.
#if defined(__CET__) && (__CET__ & 1)
#define RAMIE_LANDING "endbr64\n\t"
#else
#define RAMIE_LANDING ""
#endif

namespace ramie {
inline namespace v0 {
namespace context {

// Who switched to us, and with what.
struct arrival {
  std::uintptr_t sp;       // where the one that left can be continued
  std::uintptr_t message;  // enum message
  control_block* who;      // the one that left
};

// The calling thread's words. Volatile, so that a compiler cannot keep the address in a register over a switch: it
// would be spilled to the fiber's cold stack, and everything after would wait for that miss (170 ns instead of 25 at a
// million fibers). A started fiber never changes threads, so a kept address would be right, only slow.
[[gnu::always_inline]] inline thread_words* this_thread_words() noexcept {
  thread_words* words;
  asm inline volatile(
      "mov %%fs:0, %0\n\t"
      "add ramie_thread_words_v0@gottpoff(%%rip), %0"
      : "=r"(words)
      :
      : "cc");
  return words;
}

// Continues fiber at `sp`, leaving this continuation in fiber->resumer_sp and `self` on top of it.
// Returns when somebody switches back; self is then as it was.
[[gnu::always_inline]] inline arrival switch_and_wait(control_block* fiber, std::uintptr_t sp, std::uintptr_t message,
                                                      control_block*& self) noexcept {
  asm inline volatile(
      "leaq 1f(%%rip), %%rcx\n\t"
      "lea -128(%%rsp), %%rsp\n\t"
      "push %%rdx\n\t"
      "push %%rbp\n\t"
      "push %%rbx\n\t"
      "push %%rcx\n\t"
      "mov %%rsp, %c[resumer_sp](%%rsi)\n\t"
      "mov %%rax, %%rsp\n\t"
      "pop %%rcx\n\t"
      "pop %%rbx\n\t"
      "pop %%rbp\n\t"
      "jmp *%%rcx\n"
      "1:\n\t" RAMIE_LANDING
      "pop %%rdx\n\t"
      "lea 128(%%rsp), %%rsp\n\t"
      : "+a"(sp), "+D"(message), "+S"(fiber), "+d"(self)
      : [resumer_sp] "i"(offsetof(control_block, resumer_sp))
      : RAMIE_CLOBBERS);
  return {sp, message, fiber};
}

// Continues whoever waits at `sp`, as `self`, with `message`; returns when self is continued.
[[gnu::always_inline]] inline std::uintptr_t switch_back(std::uintptr_t sp, std::uintptr_t message,
                                                         control_block* self) noexcept {
  asm inline volatile(
      "leaq 1f(%%rip), %%rcx\n\t"
      "lea -128(%%rsp), %%rsp\n\t"
      "push %%rbp\n\t"
      "push %%rbx\n\t"
      "push %%rcx\n\t"
      "mov %%rsp, %%rdx\n\t"
      "mov %%rax, %%rsp\n\t"
      "mov %%rdx, %%rax\n\t"
      "pop %%rcx\n\t"
      "pop %%rbx\n\t"
      "pop %%rbp\n\t"
      "jmp *%%rcx\n"
      "1:\n\t" RAMIE_LANDING "lea 128(%%rsp), %%rsp\n\t"
      : "+a"(sp), "+D"(message), "+S"(self)
      :
      : "rdx", RAMIE_CLOBBERS);
  return message;
}

// Continues whoever waits at `sp`, leaving `self` to be continued at self->word, tagged; returns when it is.
[[gnu::always_inline]] inline std::uintptr_t switch_across(std::uintptr_t sp, std::uintptr_t message,
                                                           control_block* self, std::uintptr_t tag) noexcept {
  asm inline volatile(
      "leaq 1f(%%rip), %%rcx\n\t"
      "lea -128(%%rsp), %%rsp\n\t"
      "push %%rbp\n\t"
      "push %%rbx\n\t"
      "push %%rcx\n\t"
      "add %%rsp, %%rdx\n\t"
      "mov %%rdx, %c[word](%%rsi)\n\t"
      "mov %%rax, %%rsp\n\t"
      "pop %%rcx\n\t"
      "pop %%rbx\n\t"
      "pop %%rbp\n\t"
      "jmp *%%rcx\n"
      "1:\n\t" RAMIE_LANDING "lea 128(%%rsp), %%rsp\n\t"
      : "+a"(sp), "+D"(message), "+S"(self), "+d"(tag)
      : [word] "i"(offsetof(control_block, word))
      : RAMIE_CLOBBERS);
  return message;
}

// The resumer that switch_and_wait left on its own stack.
[[gnu::always_inline]] inline control_block* resumer_at(std::uintptr_t resumer_sp) noexcept {
  return reinterpret_cast<control_block* const*>(resumer_sp)[3];
}

// Asks for the line that a switch to this word will read first. Harmless for any value.
[[gnu::always_inline]] inline void prefetch_stack(std::uintptr_t word) noexcept {
  __builtin_prefetch(reinterpret_cast<const void*>(word), 1);
}

}  // namespace context
}  // namespace v0
}  // namespace ramie

#undef RAMIE_CLOBBERS_BASE
#undef RAMIE_CLOBBERS
#undef RAMIE_LANDING
