// Branch target identification holds for the switch: where the processor enforces it, each jump of ours lands on a
// marked place. Without a C library, because the linker marks a program as enforcing only when all its parts are, and
// Debian's are not. Exit code: the round trips that worked; an emulator or processor ends it by SIGILL otherwise.
//
// With -DJUMP_ASTRAY it jumps to a place without a mark first: that must be caught, or the test would show nothing.
#include "context/start.hpp"

#include <ramie/context/switch.hpp>

namespace ramie::inline v0::context {
control_block unmet_root{};
__thread thread_words ramie_thread_words_v0{};
}  // namespace ramie::inline v0::context

namespace {

using namespace ramie::context;

constexpr std::size_t stack_bytes = std::size_t{64} << 10;
alignas(64) char stack[stack_bytes];
control_block fiber{}, root{};

void body(void*, std::uintptr_t) {
  for (;;) switch_back(fiber.resumer_sp, plain, &fiber);
}

[[gnu::noinline]] int round_trip() {
  control_block* self = &root;
  fiber.word = switch_and_wait(&fiber, fiber.word, plain, self).sp;
  return self == &root ? 1 : 0;
}

[[noreturn]] void leave_program(long code) {
  register long x0 asm("x0") = code;
  register long x8 asm("x8") = 93;  // exit
  asm volatile("svc 0" : : "r"(x0), "r"(x8));
  __builtin_unreachable();
}

}  // namespace

extern "C" [[noreturn]] void landing_test() {
#if defined(JUMP_ASTRAY)
  asm volatile("adr x16, 1f\n\t br x16\n\t1: nop" : : : "x16");
#endif
  const auto low = reinterpret_cast<std::uintptr_t>(stack);
  fiber.word = prepare(low, low + stack_bytes, &body, nullptr);
  int trips = 0;
  for (int i = 0; i < 5; ++i) trips += round_trip();
  leave_program(trips);
}

asm(R"(
  .globl _start
_start:
  hint #34
  mov x29, xzr
  mov x30, xzr
  bl landing_test
)");
