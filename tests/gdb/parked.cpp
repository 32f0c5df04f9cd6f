// Fibers in every state, for the debugger: stops in everything_stands(), and goes on to its end when it is let.
// With an argument it ends by SIGSEGV there, which leaves a core file.
#include <ramie/fiber.hpp>

#include <csignal>
#include <cstdio>
#include <semaphore>
#include <thread>

using ramie::fiber;
namespace this_fiber = ramie::this_fiber;

extern "C" {
[[gnu::noinline]] void everything_stands(bool crash) {
  if (crash) std::raise(SIGSEGV);
  asm volatile("" : : : "memory");
}

[[gnu::noinline]] int steep(int depth) {
  int result = 0;
  if (depth > 0) {
    result = steep(depth - 1) + 1;
  } else {
    this_fiber::suspend();
  }
  asm volatile("" : "+r"(result));  // or it would become a loop
  return result;
}
[[gnu::noinline]] int brew() { return steep(3) + 1; }
[[gnu::noinline]] int pour(bool crash) {
  everything_stands(crash);
  return 1;
}
[[gnu::noinline]] bool wait_for(fiber& inner) { return inner.resume() || inner.done(); }
[[gnu::noinline]] int cross(fiber& to) {
  to.transfer();
  return 1;
}
[[gnu::noinline]] void elsewhere(std::binary_semaphore& stands, std::binary_semaphore& go_on) {
  fiber other([] { brew(); }, {.name = "other thread's"});
  other.resume();
  stands.release();
  go_on.acquire();
  other.resume();
}
}

int main(int count, char**) {
  const bool crash = count > 1;
  std::binary_semaphore stands(0), go_on(0);
  std::thread thread([&] { elsewhere(stands, go_on); });
  stands.acquire();
  int drunk = 0;
  fiber tea([&] { drunk += brew(); }, {.name = "tea"});
  tea.resume();
  fiber never([] {}, {.name = "never"});
  fiber over([] {}, {.name = "over"});
  over.resume();
  fiber home, away([&] { drunk += cross(home); }, {.name = "crosser"});
  home = fiber([&] { away.transfer(); }, {.name = "home"});
  home.transfer();  // home transfers to the crosser, which transfers back, and home's end returns here
  fiber inner([&] { drunk += pour(crash); }, {.name = "inner"});
  fiber outer([&] { drunk += wait_for(inner) ? 1 : 0; }, {.name = "outer"});
  outer.resume();
  tea.resume();
  go_on.release();
  thread.join();
  std::printf("drunk: %d\n", drunk);
  away.kill();
  return 0;
}
