// What Boost's own guarded allocator does when the kernel has no more mappings (vm.max_map_count), and what
// ramie::boost_stack does there.
//
// protected_fixedsize_stack makes two mappings for a stack: its pages, and the guard that mprotect() splits off. It
// checks the first call and, compiled with NDEBUG, not the second. So it depends on whether the count of mappings is
// even or odd when the limit is met: either mmap() fails and bad_alloc is thrown, or mprotect() fails in silence, and
// from then on new stacks merge with their neighbours, unguarded, as many as there is memory for. Each is tried in a
// process of its own.
#ifndef NDEBUG
#define NDEBUG  // as release builds have it
#endif
#include <ramie/boost_stack.hpp>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <cstdio>
#include <exception>
#include <fstream>
#include <vector>

namespace {

constexpr std::size_t stack_bytes = std::size_t{16} << 10;

// Is the page at `address` a guard? The kernel is asked to write a byte there.
bool is_guarded(void* address) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  const bool refused = write(ends[1], "x", 1) == 1 && read(ends[0], address, 1) < 0;
  close(ends[0]);
  close(ends[1]);
  return refused;
}

std::size_t count_mappings() {
  std::ifstream maps("/proc/self/maps");
  return static_cast<std::size_t>(
      std::count(std::istreambuf_iterator<char>(maps), std::istreambuf_iterator<char>(), '\n'));
}

// Boost counts the guard page into a stack's size; ours lies below it.
constexpr std::ptrdiff_t boosts_guard = 0, our_guard = -1;
constexpr std::size_t most = 200000;

template <class Allocator>
void take_many(Allocator stacks, std::ptrdiff_t guard_offset) {
  std::vector<boost::context::stack_context> taken;
  taken.reserve(most);
  std::size_t unguarded = 0;
  try {
    while (taken.size() < most) {
      taken.push_back(stacks.allocate());
      const auto& last = taken.back();
      if (!is_guarded(static_cast<char*>(last.sp) - last.size + guard_offset)) ++unguarded;
    }
  } catch (const std::exception& refused) {  // bad_alloc, or our stack_error with the whole story
    std::printf("  refused: %s\n", refused.what());
  }
  std::printf("  %zu stacks in %zu mappings, %zu without their guard\n", taken.size(), count_mappings(), unguarded);
}

template <class Body>
void in_a_process(Body body) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    body();
    std::fflush(stdout);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
}

}  // namespace

int main() {
  for (const bool one_more : {false, true}) {
    std::printf("Boost's protected_fixedsize_stack%s:\n", one_more ? ", with one mapping more in the process" : "");
    in_a_process([&] {
      // Between two other kinds of pages, so that it is a mapping of its own.
      if (one_more) mmap(nullptr, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      take_many(boost::context::protected_fixedsize_stack(stack_bytes), boosts_guard);
    });
  }
  std::printf("ramie::boost_stack:\n");
  in_a_process([&] { take_many(ramie::boost_stack(stack_bytes), our_guard); });
}
