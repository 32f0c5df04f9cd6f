#include <ramie/context/switch.hpp>

#if defined(RAMIE_SWITCH_UCONTEXT)

#include "context/start.hpp"

#include <new>

namespace ramie::inline v0::context {
__thread baton ramie_baton_v0;
}

namespace ramie::inline v0::context {
namespace {

struct first_frame {
  parked_context context;
  first_function function;
  void* argument;
};

void enter(unsigned high_half, unsigned low_half) {
  auto address = (std::uintptr_t{high_half} << 32) | low_half;
  auto* frame = reinterpret_cast<first_frame*>(address);
  frame->function(frame->argument, ramie_baton_v0.message);
  __builtin_unreachable();
}

}  // namespace

std::uintptr_t prepare(std::uintptr_t low, std::uintptr_t high, first_function function, void* argument) noexcept {
  std::uintptr_t place = (high - sizeof(first_frame)) & ~std::uintptr_t{63};
  auto* frame = new (reinterpret_cast<void*>(place)) first_frame;
  frame->function = function;
  frame->argument = argument;
  frame->context.self = nullptr;
  getcontext(&frame->context.machine);
  frame->context.machine.uc_stack.ss_sp = reinterpret_cast<void*>(low);
  frame->context.machine.uc_stack.ss_size = place - low;
  frame->context.machine.uc_link = nullptr;
  makecontext(&frame->context.machine, reinterpret_cast<void (*)()>(reinterpret_cast<void*>(&enter)), 2,
              static_cast<unsigned>(place >> 32), static_cast<unsigned>(place));
  return reinterpret_cast<std::uintptr_t>(&frame->context);
}

void leave_for_good(std::uintptr_t sp, std::uintptr_t message, control_block* self, std::uintptr_t word) noexcept {
  ramie_baton_v0 = {word, message, self};
  setcontext(&reinterpret_cast<parked_context*>(sp)->machine);
  __builtin_unreachable();
}

parked_frame frame_at(std::uintptr_t sp) noexcept {
#if defined(__x86_64__)
  const auto& machine = reinterpret_cast<const parked_context*>(sp)->machine.uc_mcontext;
  return {static_cast<std::uintptr_t>(machine.gregs[REG_RIP]), static_cast<std::uintptr_t>(machine.gregs[REG_RSP]),
          static_cast<std::uintptr_t>(machine.gregs[REG_RBP])};
#else
  return {0, sp, 0};
#endif
}

parked_frame resumer_frame_at(std::uintptr_t resumer_sp) noexcept { return frame_at(resumer_sp); }

}  // namespace ramie::inline v0::context

#endif
