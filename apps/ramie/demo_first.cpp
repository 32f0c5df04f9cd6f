// `ramie demo first`: taking the first value of a sequence that is produced by a function.
//
// The thread's neighbour asks why Enumerable#first should need a fiber at all. It does not: a function that pushes its
// values can be told to stop. A fiber is for those who pull, one value now and one later.
#include "demo.hpp"

#include <ramie/fiber.hpp>

#include <fmt/core.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdint>

namespace ramie::app {
namespace {

using clock = std::chrono::steady_clock;

double ns_each(clock::time_point start, int times) {
  return std::chrono::duration<double, std::nano>(clock::now() - start).count() / times;
}

// The sequence: pushes 1, 2, 3 ... for as long as it is told to go on.
template <class Take>
[[gnu::noinline]] void count_up(std::uint64_t from, Take&& take) {
  for (std::uint64_t value = from; take(value); ++value) {
  }
}

// The external way: a fiber around the sequence, asked once and dropped half-way, which unwinds it.
std::uint64_t first_by_fiber(std::uint64_t from) {
  std::uint64_t current = 0;
  fiber f(
      [&] {
        count_up(from, [&](std::uint64_t value) {
          current = value;
          this_fiber::suspend();
          return true;
        });
      },
      {.name = "first"});
  f.resume();
  return current;
}

std::uint64_t first_by_stopping(std::uint64_t from) {
  std::uint64_t found = 0;
  count_up(from, [&](std::uint64_t value) {
    found = value;
    return false;
  });
  return found;
}

}  // namespace

int demo_first(const demo_options& options) {
  const int times = options.quick ? 100000 : 1000000;
  std::uint64_t by_fiber = 0, by_stopping = 0;
  const stack_counts before = count_stacks();
  fmt::print("The failure: a fiber is made for one value and dropped with its stack, {} times.\n", grouped(times));
  fmt::print("  In the thread's runtime each of them keeps a stack until the garbage collector comes by.\n");
  auto start = clock::now();
  for (int i = 0; i < times; ++i) by_fiber += first_by_fiber(static_cast<std::uint64_t>(i));
  const double fiber_ns = ns_each(start, times);
  const stack_counts after = count_stacks();
  fmt::print(
      "  here: {:.0f} ns each, its body unwound at once; {} stacks were handed out, {} exist, {} are in use.\n\n",
      fiber_ns, grouped(after.acquired - before.acquired), grouped(after.opened - before.opened),
      grouped(after.in_use));
  fmt::print("The cure: tell the function that pushes its values to stop after the first. No fiber at all.\n");
  start = clock::now();
  for (int i = 0; i < times; ++i) by_stopping += first_by_stopping(static_cast<std::uint64_t>(i));
  fmt::print("  {:.1f} ns each, no stack.\n", ns_each(start, times));
  fmt::print("\nTry next: ramie bench fibers --quick\n");
  return by_fiber == by_stopping ? 0 : 1;
}

}  // namespace ramie::app
