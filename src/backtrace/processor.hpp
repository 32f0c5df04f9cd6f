// What a walk must know of the processor: the numbers that unwind tables give its registers.
#pragma once

#include <ucontext.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace ramie::backtrace {

#if defined(__x86_64__)
// DWARF numbers: rax rdx rcx rbx rsi rdi rbp rsp r8-r15, and 16 for the return address.
inline constexpr std::size_t register_count = 17;
inline constexpr std::size_t fp_register = 6;
inline constexpr std::size_t sp_register = 7;
inline constexpr std::size_t return_register = 16;
inline constexpr bool call_pushes_return_address = true;
#elif defined(__aarch64__)
// DWARF numbers: x0-x30, sp. A return address is in x30 until it is saved.
inline constexpr std::size_t register_count = 32;
inline constexpr std::size_t fp_register = 29;
inline constexpr std::size_t sp_register = 31;
inline constexpr std::size_t return_register = 30;
inline constexpr bool call_pushes_return_address = false;
#else
#error "backtrace: this processor's registers are not described yet"
#endif

// The registers of one frame, as far as they are known: going up the stack, more and more are not.
struct known_registers {
  std::array<std::uintptr_t, register_count> values = {};
  std::uint64_t mask = 0;  // one bit for each that is known

  [[nodiscard]] bool known(std::uint64_t number) const noexcept {
    return number < register_count && ((mask >> number) & 1) != 0;
  }
  void set(std::size_t number, std::uintptr_t value) noexcept {
    values[number] = value;
    mask |= std::uint64_t{1} << number;
  }
};

// The registers of the code that a signal has interrupted; the pc is apart, since aarch64 has no number for it.
struct machine_state {
  known_registers registers;
  std::uintptr_t pc = 0;
};

inline machine_state state_of(const ucontext_t& context) noexcept {
  machine_state state;
#if defined(__x86_64__)
  constexpr std::array<int, 16> order = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
                                         REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  for (std::size_t at = 0; at < order.size(); ++at)
    state.registers.set(at, static_cast<std::uintptr_t>(context.uc_mcontext.gregs[order[at]]));
  state.pc = static_cast<std::uintptr_t>(context.uc_mcontext.gregs[REG_RIP]);
  state.registers.set(return_register, state.pc);
#elif defined(__aarch64__)
  for (std::size_t at = 0; at < 31; ++at) state.registers.set(at, context.uc_mcontext.regs[at]);
  state.registers.set(sp_register, context.uc_mcontext.sp);
  state.pc = context.uc_mcontext.pc;
#endif
  return state;
}

// A return address without the signature that aarch64's pointer authentication may have put into its upper bits.
inline std::uintptr_t plain_code_address(std::uintptr_t address) noexcept {
#if defined(__aarch64__)
  register std::uintptr_t x30 asm("x30") = address;
  asm("hint #7" : "+r"(x30));  // xpaclri: nothing on processors without it
  return x30;
#else
  return address;
#endif
}

}  // namespace ramie::backtrace
