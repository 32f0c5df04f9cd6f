// One planted bug each, for the checkers to find: planted NAME. Ends with 0 when nobody stopped it, 2 for a wrong name.
//
// Functions are not inlined and have telling names: the test looks for them in the checkers' reports. What a case must
// and must not print is in checkers_test.py.
#include <ramie/fiber.hpp>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#if defined(RAMIE_ASAN)
#include <sanitizer/lsan_interface.h>
#endif

namespace {

using ramie::fiber;
namespace this_fiber = ramie::this_fiber;

volatile int sink = 0;
volatile int zero = 0;  // what the optimizer cannot see through

#define KEPT [[gnu::noinline, gnu::noclone]]

// A pointer whose origin the compiler does not know.
template <class T>
T* laundered(T* pointer) {
  asm volatile("" : "+r"(pointer));
  return pointer;
}

KEPT void write_beyond_a_local() {
  char small_local[16] = {};
  laundered(small_local)[16 + zero] = 1;
  sink = laundered(small_local)[0];
}

KEPT void read_what_was_never_written() {
  int never_written[4];
  if (*laundered(never_written) == 42) std::puts("by chance");
}

KEPT void write_beyond_a_block() {
  char* block = static_cast<char*>(std::malloc(24));
  laundered(block)[24 + zero] = 1;
  std::free(block);
}

KEPT void write_to_freed_memory() {
  char* block = static_cast<char*>(std::malloc(24));
  std::free(block);
  laundered(block)[3] = 1;  // NOLINT: the bug
}

KEPT int* address_of_a_local() {
  int gone_local = 7;
  return laundered(&gone_local);
}

KEPT void use_an_address(int* address) { sink = *laundered(address); }

// A hidden pointer, so that only the stack of the fiber holds the memory.
KEPT void hold_memory_while_parked() {
  char* held_by_a_fiber = static_cast<char*>(std::malloc(100));
  char* volatile kept = held_by_a_fiber;
  held_by_a_fiber = nullptr;
  this_fiber::suspend();
  kept[0] = 1;
  kept = nullptr;
}

KEPT void lose_memory_in_a_fiber() {
  char* volatile lost = static_cast<char*>(std::malloc(100));
  lost[0] = 1;
  lost = nullptr;
}

// What other calls leave on a stack would hide a leak.
KEPT void wipe_the_stack() {
  char wiped[4096];
  std::memset(laundered(wiped), 0, sizeof wiped);
}

void in_a_fiber(void (*function)()) {
  fiber f([function] { function(); }, {.name = "planted"});
  f.resume();
}

// Everything that changes stacks, without a bug: nested and transferred fibers, exceptions, kills, deep frames, reuse.
KEPT int sum_deep(int depth) {
  volatile char page[600] = {};
  page[static_cast<std::size_t>(depth) % 600] = 1;
  return depth == 0 ? page[1] : sum_deep(depth - 1) + page[static_cast<std::size_t>(depth) % 600];
}

// Killed under frames that have locals and no destructors: nobody runs there again to take the marks of the locals
// away.
KEPT int park_deep(int depth) {
  char local[40] = {};
  laundered(local)[depth] = 1;
  if (depth == 0) this_fiber::suspend();
  return depth == 0 ? laundered(local)[0] : park_deep(depth - 1) + laundered(local)[depth];
}
struct formats_when_it_goes {
  ~formats_when_it_goes() {
    char text[3000];  // libc's functions write over what the frames above have left
    std::snprintf(laundered(text), sizeof text, "%2900d", 1);
  }
};
void kill_under_marked_frames() {
  fiber f([] {
    const formats_when_it_goes last;
    sink = park_deep(30);
  });
  f.resume();
  f.kill();
}

void all_ways_of_switching() {
  int total = 0;
  for (int round = 0; round < 3; ++round) {
    std::vector<fiber> fibers;
    for (int i = 0; i < 100; ++i) {
      fibers.emplace_back([&total, i] {
        std::string text(static_cast<std::size_t>(i) + 30, 'x');
        total += sum_deep(20);
        this_fiber::suspend();
        try {
          fiber inner([&] { throw std::runtime_error(text); });
          inner.resume();
        } catch (const std::runtime_error& error) {
          this_fiber::suspend();
          total += static_cast<int>(std::strlen(error.what()));
        }
        this_fiber::suspend();
      });
    }
    for (int turn = 0; turn < 3; ++turn) {
      for (fiber& f : fibers) f.resume();
    }
    for (std::size_t i = 0; i < 50; ++i) fibers[i].kill();
  }
  fiber ping, pong;
  ping = fiber([&] {
    for (int i = 0; i < 10; ++i) {
      total += sum_deep(i);
      pong.transfer();
    }
  });
  pong = fiber([&] {
    for (int i = 0; i < 10; ++i) ping.transfer();
  });
  ping.transfer();
  kill_under_marked_frames();
  std::printf("total: %d\n", total > 0);
}

// The checkers' own account of the fibers of two threads.
int shared_number = 0;
std::mutex shared_lock;

KEPT void add_without_a_lock() { laundered(&shared_number)[0] += 1; }
KEPT void add_under_the_lock() {
  const std::lock_guard held(shared_lock);
  add_without_a_lock();
}

// They meet by relaxed operations, which order nothing, when all locks that the library takes are behind them.
void two_threads(void (*add)()) {
  std::atomic<int> arrived{0};
  auto work = [add, &arrived] {
    std::vector<fiber> fibers;
    for (int i = 0; i < 10; ++i) {
      fibers.emplace_back([add] {
        this_fiber::suspend();
        for (int k = 0; k < 20; ++k) {
          add();
          this_fiber::suspend();
        }
      });
    }
    for (fiber& f : fibers) f.resume();
    arrived.fetch_add(1, std::memory_order_relaxed);
    while (arrived.load(std::memory_order_relaxed) < 2) std::this_thread::yield();
    for (int k = 0; k < 10; ++k) {
      for (fiber& f : fibers) f.resume();
    }
  };
  std::thread one(work), other(work);
  one.join();
  other.join();
  std::printf("number: %d\n", shared_number);
}

void fibers_of_one_thread() {
  std::vector<fiber> fibers;
  for (int i = 0; i < 400; ++i) {
    fibers.emplace_back([] {
      add_without_a_lock();
      this_fiber::suspend();
      add_without_a_lock();
    });
  }
  for (int k = 0; k < 2; ++k) {
    for (fiber& f : fibers) f.resume();
  }
  std::printf("number: %d\n", shared_number);
}

void use_after_the_end(bool killed) {
  int* of_the_fiber = nullptr;
  fiber f([&] {
    int local_of_a_fiber = 7;
    of_the_fiber = laundered(&local_of_a_fiber);
    this_fiber::suspend();
    sink = local_of_a_fiber;
  });
  f.resume();
  if (killed) {
    f.kill();
  } else {
    f.resume();
  }
  use_an_address(of_the_fiber);
}

// Upwards out of its own stack: what lies there is the guard of the next one.
KEPT void run_into_the_neighbour() {
  const ramie::stack_info mine = this_fiber::ref().stack();
  auto* beyond = reinterpret_cast<char*>((mine.high + 4095) / 4096 * 4096 + 16);
  *laundered(beyond) = 1;
}

int leaks_now() {
#if defined(RAMIE_ASAN)
  return __lsan_do_recoverable_leak_check();
#else
  return -1;
#endif
}

int memory_held_by_a_parked_fiber(bool then_killed) {
  fiber f([] { hold_memory_while_parked(); }, {.name = "holder"});
  f.resume();
  wipe_the_stack();
  std::printf("leaks while it is parked: %d\n", leaks_now());
  if (!then_killed) {
    std::_Exit(0);
  }
  f.kill();
  wipe_the_stack();
  std::printf("leaks after it was killed: %d\n", leaks_now());
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);  // a checker ends the process without flushing
  const std::string_view bug = count > 1 ? arguments[1] : "";
  if (bug == "none") {
    all_ways_of_switching();
  } else if (bug == "local") {
    in_a_fiber(&write_beyond_a_local);
  } else if (bug == "uninitialised") {
    in_a_fiber(&read_what_was_never_written);
  } else if (bug == "block") {
    in_a_fiber(&write_beyond_a_block);
  } else if (bug == "freed") {
    in_a_fiber(&write_to_freed_memory);
  } else if (bug == "returned") {
    in_a_fiber([] { use_an_address(address_of_a_local()); });
  } else if (bug == "ended") {
    use_after_the_end(false);
  } else if (bug == "killed") {
    use_after_the_end(true);
  } else if (bug == "neighbour") {
    fiber runner(
        [] {
          this_fiber::suspend();
          run_into_the_neighbour();
        },
        {.name = "runner"});
    runner.resume();
    fiber neighbour([] { this_fiber::suspend(); }, {.name = "neighbour"});
    neighbour.resume();
    runner.resume();
  } else if (bug == "held") {
    return memory_held_by_a_parked_fiber(false);
  } else if (bug == "lost_by_kill") {
    return memory_held_by_a_parked_fiber(true);
  } else if (bug == "lost") {
    in_a_fiber(&lose_memory_in_a_fiber);
  } else if (bug == "race") {
    two_threads(&add_without_a_lock);
  } else if (bug == "locked") {
    two_threads(&add_under_the_lock);
  } else if (bug == "one_thread") {
    fibers_of_one_thread();
  } else {
    std::fprintf(stderr, "planted: no bug of that name: %s\n", count > 1 ? arguments[1] : "");
    return 2;
  }
  return 0;
}
