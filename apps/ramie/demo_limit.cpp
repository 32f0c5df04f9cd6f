// `ramie demo limit`: guard pages by mprotect run out of mappings; guards in the page tables do not.
#include "bench_machine.hpp"
#include "demo.hpp"

#include <ramie/fiber.hpp>

#include <fmt/core.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace ramie::app {
namespace {

constexpr std::size_t page = 4096, naive_stack_bytes = std::size_t{16} << 10;

// What the thread's runtime does for each fiber: a mapping for the stack, its lowest page made inaccessible. The
// stacks touch nothing, so memory is not what runs out.
int fail_as_the_thread_did() {
  const unsigned long long ceiling = 4 * read_machine().max_map_count;
  for (unsigned long long count = 0; count < ceiling; ++count) {
    void* stack = mmap(nullptr, naive_stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) {
      fmt::print("  stopped at {} stacks: can't allocate a stack: {}\n", grouped(count), strerror(errno));
      return 0;
    }
    if (mprotect(stack, page, PROT_NONE) != 0) {
      const int error = errno;
      fmt::print("  stopped at {} stacks: can't set a guard page: {}\n", grouped(count), strerror(error));
      const machine_facts facts = read_machine();
      fmt::print("  {} of {} mappings are used; {} of {} MiB of memory are free.\n", grouped(2 * count),
                 grouped(facts.max_map_count), grouped(facts.available_bytes >> 20), grouped(facts.memory_bytes >> 20));
      return 0;
    }
  }
  fmt::print("  no limit met at {} stacks: vm.max_map_count was raised here\n", grouped(ceiling));
  return 0;
}

int go_on(unsigned long long count) {
  std::vector<fiber>& fibers = *std::make_unique<std::vector<fiber>>().release();  // dies with the process
  fibers.reserve(count);
  const auto start = std::chrono::steady_clock::now();
  while (fibers.size() < count) {
    fibers.emplace_back(
        [] {
          for (;;) this_fiber::suspend();
        },
        fiber_options{.name = "million"});
    fibers.back().resume();
    if (fibers.size() % (count / 4) == 0) {
      fmt::print("  {:>9} fibers started, each with its own guard: {} mappings\n", grouped(fibers.size()),
                 count_mappings());
      std::fflush(stdout);
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const stack_info last = fibers.back().stack();
  fmt::print("  the last one: {} KiB of stack, {} KiB of guard ({}). {:.1f} s, {:.1f} us each.\n",
             last.usable_bytes >> 10, last.guard_bytes >> 10, name_of(last.guard), seconds,
             seconds * 1e6 / static_cast<double>(count));
  return 0;
}

}  // namespace

int demo_limit(const demo_options& options) {
  constexpr unsigned long long bytes_for_each = 4400;
  unsigned long long count = options.quick ? 200000 : 1000000;
  const unsigned long long fits = read_machine().available_bytes / 10 * 9 / bytes_for_each;
  fmt::print(
      "The failure: a stack and a guard page for each fiber, set by mprotect, as the bug thread's runtime has it.\n");
  const child_end failure = run_child(fail_as_the_thread_did);
  if (failure.signalled) fmt::print("  {}\n", failure.text());
  fmt::print("Each guard splits a mapping in two, and vm.max_map_count limits mappings, not memory.\n\n");
  if (fits < count) {
    count = std::max<unsigned long long>(fits / 4 * 4, 4);
    fmt::print("(Memory for {} fibers is free, so it is {} below.)\n", grouped(fits), grouped(count));
  }
  fmt::print("The cure: guards are markers in the page tables of one arena, and take no mapping.\n");
  const child_end cure = run_child([count] { return go_on(count); });
  if (cure.signalled || cure.status != 0) {
    fmt::print("  ended early: {}\n", cure.text());
    return 1;
  }
  fmt::print("\nTry next: ramie demo overflow, ramie bench fibers --quick\n");
  return 0;
}

}  // namespace ramie::app
