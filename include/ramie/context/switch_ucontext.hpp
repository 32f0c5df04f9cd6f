// Changing stacks by swapcontext: the portable twin of the assembly, and its oracle in the tests.
//
// Status: experimental; inlined into users' code, not for direct use.
//
// The same protocol: a "stack pointer" here is the address of a ucontext_t in the frame of the one that waits. Two
// system calls a switch (swapcontext saves the signal mask), so it is for machines without an assembly file.
#pragma once

#include <ramie/context/control_block.hpp>

#include <ucontext.h>

namespace ramie {
inline namespace v0 {
namespace context {

struct arrival {
  std::uintptr_t sp;
  std::uintptr_t message;
  control_block* who;
};

// A continuation and what is handed over with the switch; the address is what the word and resumer_sp hold.
struct alignas(16) parked_context {
  ucontext_t machine;
  control_block* self;
};

[[gnu::always_inline]] inline thread_words* this_thread_words() noexcept { return &ramie_thread_words_v0; }

// What the one who left hands to the one who arrives: x86-64 does this in registers.
struct baton {
  std::uintptr_t sp;
  std::uintptr_t message;
  control_block* who;
};
extern "C" {
[[gnu::visibility("default"), gnu::tls_model("initial-exec")]] extern __thread baton ramie_baton_v0;
}

[[gnu::noinline]] inline baton swap_to(parked_context& here, std::uintptr_t sp, std::uintptr_t message,
                                       control_block* who) noexcept {
  ramie_baton_v0 = {reinterpret_cast<std::uintptr_t>(&here), message, who};
  swapcontext(&here.machine, &reinterpret_cast<parked_context*>(sp)->machine);
  return ramie_baton_v0;
}

[[gnu::always_inline]] inline arrival switch_and_wait(control_block* fiber, std::uintptr_t sp, std::uintptr_t message,
                                                      control_block*& self) noexcept {
  parked_context here;
  here.self = self;
  fiber->resumer_sp = reinterpret_cast<std::uintptr_t>(&here);
  baton arrived = swap_to(here, sp, message, fiber);
  return {arrived.sp, arrived.message, arrived.who};
}

[[gnu::always_inline]] inline std::uintptr_t switch_back(std::uintptr_t sp, std::uintptr_t message,
                                                         control_block* self) noexcept {
  parked_context here;
  here.self = self;
  return swap_to(here, sp, message, self).message;
}

[[gnu::always_inline]] inline std::uintptr_t switch_across(std::uintptr_t sp, std::uintptr_t message,
                                                           control_block* self, std::uintptr_t tag) noexcept {
  parked_context here;
  here.self = self;
  self->word = reinterpret_cast<std::uintptr_t>(&here) + tag;
  return swap_to(here, sp, message, self).message;
}

[[gnu::always_inline]] inline control_block* resumer_at(std::uintptr_t resumer_sp) noexcept {
  return reinterpret_cast<const parked_context*>(resumer_sp)->self;
}

[[gnu::always_inline]] inline void prefetch_stack(std::uintptr_t word) noexcept {
  __builtin_prefetch(reinterpret_cast<const void*>(word), 1);
}

}  // namespace context
}  // namespace v0
}  // namespace ramie
