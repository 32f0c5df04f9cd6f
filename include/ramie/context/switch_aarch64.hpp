// Changing stacks on aarch64 (AAPCS64), inlined.
//
// Status: experimental; inlined into users' code, not for direct use.
//
// A parked continuation is four words at its stack pointer, which stays a multiple of sixteen:
//
//     sp -> [ pc ][ x19 ][ x29 ][ resume only: the resumer's control block ]
//
// The protocol is that of x86-64, and so are the reasons: everything else is declared clobbered and the compiler saves
// what is live; x19 and x29 are saved here, because clang uses both as bases of a frame and ignores their clobber.
// Who arrives takes its own four words off, after the jump: there is no red zone, so a signal may overwrite what lies
// below the stack pointer. FPCR is not switched: a fiber that changes rounding changes it for its thread.
//
// We leave by `br x16`, which lands on `bti j` and `bti c` alike. Pointer authentication meets no switch: it signs the
// return address in a function's prologue with that function's stack pointer, and when the function returns it is on
// the same stack at the same place. The pc that is parked here is a label's address, never signed and never returned
// to; like every saved register it is as safe as the stack that it lies on. Two things cannot work with stacks that
// change hands by a jump: a shadow call stack (refused when compiling), and a guarded control stack (FEAT_GCS, where
// the kernel would have to enforce it; the first return after a switch is then refused by the processor).
#pragma once

#if !defined(__aarch64__) || defined(__ILP32__) || defined(__AARCH64EB__)
#error "this file is for little-endian aarch64 with 64-bit pointers"
#endif
#if defined(__has_feature)
#if __has_feature(shadow_call_stack)
#error "fibers cannot run with -fsanitize=shadow-call-stack: x18 would go on pointing into another fiber's calls"
#endif
#endif

#include <ramie/context/control_block.hpp>

// The platform register is an ordinary one on Linux, and g++ keeps values in it: it must be clobbered. clang warns of
// that where -ffixed-x18 reserves it, which a program cannot see: such a build defines RAMIE_X18_IS_RESERVED.
#if defined(RAMIE_X18_IS_RESERVED) || defined(__ANDROID__)
#define RAMIE_CLOBBERS_X18
#else
#define RAMIE_CLOBBERS_X18 "x18",
#endif
#define RAMIE_CLOBBERS_BASE                                                                                            \
  RAMIE_CLOBBERS_X18                                                                                                   \
  "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x20", "x21", "x22",     \
      "x23", "x24", "x25", "x26", "x27", "x28", "x30", "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", \
      "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23",    \
      "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"
// A v register's name stands for the whole z register; the predicates have names only where the target has them. clang
// has no name for ffr, which no call preserves either.
#if defined(__ARM_FEATURE_SVE)
#if defined(__clang__)
#define RAMIE_CLOBBERS_FFR
#else
#define RAMIE_CLOBBERS_FFR , "ffr"
#endif
#define RAMIE_CLOBBERS                                                                                                \
  RAMIE_CLOBBERS_BASE, "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13", "p14", \
      "p15" RAMIE_CLOBBERS_FFR
#else
#define RAMIE_CLOBBERS RAMIE_CLOBBERS_BASE
#endif
// Under -mbranch-protection the place that we jump to says so.
#if defined(__ARM_FEATURE_BTI_DEFAULT)
#define RAMIE_LANDING "hint #36\n\t"  // bti j
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

// The words that a parked continuation takes off its stack when it goes on.
inline constexpr std::size_t parked_bytes = 32;

// The calling thread's words. Volatile for the reason given in switch_x86_64.hpp: a kept address would be spilled to
// the fiber's cold stack.
[[gnu::always_inline]] inline thread_words* this_thread_words() noexcept {
  thread_words* words;
  std::uintptr_t offset;
  asm inline volatile(
      "mrs %0, tpidr_el0\n\t"
      "adrp %1, :gottprel:ramie_thread_words_v0\n\t"
      "ldr %1, [%1, #:gottprel_lo12:ramie_thread_words_v0]\n\t"
      "add %0, %0, %1"
      : "=&r"(words), "=&r"(offset));
  return words;
}

// Continues fiber at `sp`, leaving this continuation in fiber->resumer_sp and `self` on top of it.
// Returns when somebody switches back; self is then as it was.
[[gnu::always_inline]] inline arrival switch_and_wait(control_block* fiber, std::uintptr_t sp, std::uintptr_t message,
                                                      control_block*& self) noexcept {
  register std::uintptr_t x0 asm("x0") = sp;
  register std::uintptr_t x1 asm("x1") = message;
  register control_block* x2 asm("x2") = fiber;
  register control_block* x3 asm("x3") = self;
  asm inline volatile(
      "adr x16, 1f\n\t"
      "stp x16, x19, [sp, #-32]!\n\t"
      "stp x29, x3, [sp, #16]\n\t"
      "mov x17, sp\n\t"
      "str x17, [x2, %[resumer_sp]]\n\t"
      "ldp x16, x19, [x0]\n\t"
      "ldr x29, [x0, #16]\n\t"
      "mov sp, x0\n\t"
      "br x16\n"
      "1:\n\t" RAMIE_LANDING
      "ldr x3, [sp, #24]\n\t"
      "add sp, sp, #32\n\t"
      : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
      : [resumer_sp] "i"(offsetof(control_block, resumer_sp))
      : RAMIE_CLOBBERS);
  self = x3;
  return {x0, x1, x2};
}

// Continues whoever waits at `sp`, as `self`, with `message`; returns when self is continued.
[[gnu::always_inline]] inline std::uintptr_t switch_back(std::uintptr_t sp, std::uintptr_t message,
                                                         control_block* self) noexcept {
  register std::uintptr_t x0 asm("x0") = sp;
  register std::uintptr_t x1 asm("x1") = message;
  register control_block* x2 asm("x2") = self;
  asm inline volatile(
      "adr x16, 1f\n\t"
      "stp x16, x19, [sp, #-32]!\n\t"
      "str x29, [sp, #16]\n\t"
      "mov x17, sp\n\t"
      "ldp x16, x19, [x0]\n\t"
      "ldr x29, [x0, #16]\n\t"
      "mov sp, x0\n\t"
      "mov x0, x17\n\t"
      "br x16\n"
      "1:\n\t" RAMIE_LANDING "add sp, sp, #32\n\t"
      : "+r"(x0), "+r"(x1), "+r"(x2)
      :
      : "x3", RAMIE_CLOBBERS);
  return x1;
}

// Continues whoever waits at `sp`, leaving `self` to be continued at self->word, tagged; returns when it is.
[[gnu::always_inline]] inline std::uintptr_t switch_across(std::uintptr_t sp, std::uintptr_t message,
                                                           control_block* self, std::uintptr_t tag) noexcept {
  register std::uintptr_t x0 asm("x0") = sp;
  register std::uintptr_t x1 asm("x1") = message;
  register control_block* x2 asm("x2") = self;
  register std::uintptr_t x3 asm("x3") = tag;
  asm inline volatile(
      "adr x16, 1f\n\t"
      "stp x16, x19, [sp, #-32]!\n\t"
      "str x29, [sp, #16]\n\t"
      "add x17, sp, x3\n\t"
      "str x17, [x2, %[word]]\n\t"
      "ldp x16, x19, [x0]\n\t"
      "ldr x29, [x0, #16]\n\t"
      "mov sp, x0\n\t"
      "br x16\n"
      "1:\n\t" RAMIE_LANDING "add sp, sp, #32\n\t"
      : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
      : [word] "i"(offsetof(control_block, word))
      : RAMIE_CLOBBERS);
  return x1;
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

#undef RAMIE_CLOBBERS_X18
#undef RAMIE_CLOBBERS_FFR
#undef RAMIE_CLOBBERS_BASE
#undef RAMIE_CLOBBERS
#undef RAMIE_LANDING
