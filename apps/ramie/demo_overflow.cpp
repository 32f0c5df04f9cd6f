// `ramie demo overflow`: what a recursion without end does to an unguarded stack's neighbour, and to a guarded one.
#include "demo.hpp"

#include <ramie/fiber.hpp>

#include <fmt/core.h>
#include <ucontext.h>

#include <cstddef>
#include <cstring>
#include <memory>

namespace ramie::app {
namespace {

constexpr std::size_t stack_bytes = std::size_t{64} << 10;
constexpr int unguarded = 3;  // exit status of a child that came to no harm

// Uses half a kibibyte a call, and is not a loop in disguise.
[[gnu::noinline]] int dig(int depth) {
  volatile char frame[512];
  std::memset(const_cast<char*>(frame), depth, sizeof frame);
  if (depth == 0) return frame[0];
  return dig(depth - 1) + frame[depth % 512];
}

// Two stacks from plain memory, as an allocator hands them out: the lower one is in the way of the upper one.
struct plain_stacks {
  char lower[stack_bytes];
  char upper[stack_bytes];
};
ucontext_t caller, digger;
int dug = 0;

void dig_for_a_while() {
  constexpr int calls = 150;  // half a kibibyte and more each
  dug = dig(calls);
}

int corrupt_silently() {
  const auto stacks = std::make_unique<plain_stacks>();
  std::memset(stacks->lower, 'n', sizeof stacks->lower);
  getcontext(&digger);
  digger.uc_stack.ss_sp = stacks->upper;
  digger.uc_stack.ss_size = sizeof stacks->upper;
  digger.uc_link = &caller;
  makecontext(&digger, dig_for_a_while, 0);
  swapcontext(&caller, &digger);
  std::size_t lost = 0;
  for (const char byte : stacks->lower) lost += byte != 'n';
  fmt::print("  it returned as if all were well. Of its neighbour's {} bytes, {} are overwritten.\n",
             grouped(sizeof stacks->lower), grouped(lost));
  return 0;
}

int overflow_guarded() {
  fiber f([] { dug = dig(100000); }, {.stack_bytes = stack_bytes, .name = "digger"});
  f.resume();
  fmt::print("  no overflow was seen: the guard does not work here\n");
  return unguarded;
}

}  // namespace

int demo_overflow(const demo_options&) {
  fmt::print("The failure: a recursion deeper than its 64 KiB stack of plain memory, another stack below it.\n");
  const child_end failure = run_child(corrupt_silently);
  if (failure.signalled) fmt::print("  {}\n", failure.text());
  fmt::print("\nThe cure: the same recursion in a ramie::fiber of the same size, in a child process:\n");
  const child_end cure = run_child(overflow_guarded);
  fmt::print("  the child: {}. Nothing else was written to.\n", cure.text());
  fmt::print("\nTry next: ramie demo first\n");
  return !cure.signalled && cure.status == unguarded ? 1 : 0;
}

}  // namespace ramie::app
