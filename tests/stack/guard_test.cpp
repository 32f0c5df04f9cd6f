// Every rung of the guard ladder keeps the same promises. Run with RAMIE_GUARD naming a rung, or without for the best.
#include <ramie/fiber.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using ramie::fiber;
namespace this_fiber = ramie::this_fiber;

#if defined(RAMIE_TSAN)
constexpr bool few_fibers_only = true;  // ThreadSanitizer dies at some 8,000
#else
constexpr bool few_fibers_only = false;
#endif
#if defined(RAMIE_ASAN) || defined(RAMIE_TSAN)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

// True when the kernel refuses to write there, which is what a guard is for.
bool is_guarded(std::uintptr_t address) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  char byte = 0;
  if (write(ends[1], &byte, 1) != 1) return false;
  const bool refused = read(ends[0], reinterpret_cast<void*>(address), 1) < 0 && errno == EFAULT;
  close(ends[0]);
  close(ends[1]);
  return refused;
}

std::size_t mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string line; std::getline(maps, line);) ++lines;
  return lines;
}

std::size_t available_mebibytes() {
  std::ifstream info("/proc/meminfo");
  std::string key;
  for (std::size_t value = 0; info >> key >> value; info.ignore(64, '\n')) {
    if (key == "MemAvailable:") return value >> 10;
  }
  return 0;
}

ramie::guard chosen() { return ramie::count_stacks().guard; }

// Runs `child` in a forked process and returns its wait status; what it prints to standard error is kept.
template <class F>
int in_child(F&& child, std::string* said = nullptr) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    try {
      child();
    } catch (const std::exception& error) {
      dprintf(STDERR_FILENO, "%s\n", error.what());
      _exit(99);
    }
    _exit(0);
  }
  close(ends[1]);
  char part[4096];
  for (ssize_t got; (got = read(ends[0], part, sizeof part)) > 0;) {
    if (said != nullptr) said->append(part, static_cast<std::size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

class guard_test : public testing::Test {
 protected:
  void SetUp() override {
    const char* forced = std::getenv("RAMIE_GUARD");
    ramie::guard_trial trials[5];
    const std::size_t count = ramie::try_guards(trials);
    for (std::size_t i = 0; i < count; ++i) {
      if (forced != nullptr && std::strcmp(forced, ramie::name_of(trials[i].guard)) == 0 && !trials[i].works) {
        std::printf("skipped: guard %s: %s\n", forced, trials[i].reason);
        GTEST_SKIP() << trials[i].reason;
      }
    }
  }
};

TEST_F(guard_test, every_stack_has_the_guard_that_it_reports_and_the_kernel_refuses_to_write_there) {
  std::vector<fiber> fibers;
  for (int i = 0; i < 200; ++i) {
    fibers.emplace_back([] { this_fiber::suspend(); });
    fibers.back().resume();
    const ramie::stack_info stack = fibers.back().stack();
    ASSERT_EQ(stack.guard, chosen());
    ASSERT_TRUE(is_guarded(stack.low - 1));
    ASSERT_TRUE(is_guarded(stack.low - stack.guard_bytes));
    ASSERT_FALSE(is_guarded(stack.low));
    ASSERT_GE(stack.usable_bytes, std::size_t{63} << 10);
  }
}

TEST_F(guard_test, guards_hold_while_stacks_are_used_again_and_again) {
  for (int round = 0; round < 2000; ++round) {
    fiber f([] { this_fiber::suspend(); }, {.stack_bytes = (round % 5 + 1u) << 13});
    f.resume();
    ASSERT_TRUE(round % 100 != 0 || is_guarded(f.stack().low - 1));
  }
}

TEST_F(guard_test, large_stacks_have_a_guard_that_catches_large_frames) {
  fiber f([] { this_fiber::suspend(); }, {.stack_bytes = 1 << 20});
  f.resume();
  EXPECT_EQ(f.stack().guard_bytes, std::size_t{64} << 10);
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  for (std::size_t back = 1; back <= f.stack().guard_bytes; back += page) {
    ASSERT_TRUE(is_guarded(f.stack().low - back)) << back;
  }
}

TEST_F(guard_test, guards_hold_in_a_forked_child_and_the_parents_stacks_stay_usable) {
  std::vector<fiber> fibers;
  int turns = 0;
  for (int i = 0; i < 100; ++i) {
    fibers.emplace_back([&turns] {
      for (;;) {
        ++turns;
        this_fiber::suspend();
      }
    });
    fibers.back().resume();
  }
  const int status = in_child([&] {
    for (fiber& f : fibers) {
      if (f.stack().guard != chosen() || !is_guarded(f.stack().low - 1)) _exit(2);
      if (!f.resume()) _exit(3);
    }
    std::vector<fiber> more;
    for (int i = 0; i < 1000; ++i) {
      more.emplace_back([] { this_fiber::suspend(); });
      more.back().resume();
      if (!is_guarded(more.back().stack().low - 1)) _exit(4);
    }
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  for (fiber& f : fibers) {
    EXPECT_TRUE(f.resume());
    EXPECT_TRUE(is_guarded(f.stack().low - 1));
  }
  EXPECT_EQ(turns, 200);
}

TEST_F(guard_test, guards_hold_while_threads_create_and_drop_fibers) {
  std::atomic<int> unguarded{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < (few_fibers_only ? 5 : 50); ++round) {
        std::vector<fiber> fibers;
        for (int i = 0; i < 40; ++i) {
          fibers.emplace_back([] { this_fiber::suspend(); });
          fibers.back().resume();
        }
        if (!is_guarded(fibers.back().stack().low - 1)) ++unguarded;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(unguarded, 0);
}

[[gnu::noinline]] int recurse(int depth) {
  volatile char frame[512];
  frame[0] = static_cast<char>(depth);
  return depth == 0 ? 0 : recurse(depth + 1) + frame[0];
}

TEST_F(guard_test, an_overflow_is_reported_with_name_size_and_guard_and_then_takes_its_course) {
  if (sanitized) GTEST_SKIP() << "the sanitizer reports it first";
  std::string said;
  const int status = in_child(
      [] {
        fiber deep([] { recurse(1); }, {.name = "deep"});
        deep.resume();
      },
      &said);
  EXPECT_TRUE(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS)) << status;
  EXPECT_NE(said.find("stack overflow in fiber 'deep'"), std::string::npos) << said;
  EXPECT_NE(said.find("64 KiB"), std::string::npos) << said;
  EXPECT_NE(said.find(ramie::name_of(chosen())), std::string::npos) << said;
  EXPECT_NE(said.find(".stack_bytes"), std::string::npos) << said;
  EXPECT_NE(said.find("frames deep"), std::string::npos) << said;
  EXPECT_NE(said.find("more frames of the same"), std::string::npos) << said;
}

// Built with -fstack-clash-protection, as the package's interface option has it: each page of the frame is touched.
[[gnu::noinline]] int large_frame() {
  volatile char frame[96 << 10];
  asm volatile("" : : "r"(frame) : "memory");  // all of it is wanted: clang would keep one byte
  frame[0] = 1;
  return frame[0];
}

TEST_F(guard_test, a_frame_larger_than_the_whole_stack_does_not_jump_the_guard) {
  if (sanitized) GTEST_SKIP() << "the sanitizer reports it first";
  std::string said;
  const int status = in_child(
      [] {
        fiber wide([] { return large_frame(); }, {.name = "wide"});
        wide.resume();
      },
      &said);
  EXPECT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_NE(said.find("stack overflow in fiber 'wide'"), std::string::npos) << said;
}

TEST_F(guard_test, the_handler_that_was_there_before_gets_every_other_fault) {
  if (sanitized) GTEST_SKIP() << "the sanitizer has its own handler";
  std::string said;
  const int status = in_child(
      [] {
        struct sigaction own {};
        own.sa_handler = [](int) { _exit(42); };
        sigaction(SIGSEGV, &own, nullptr);
        // Installed afterwards in a process of its own: the parent has had its handler for long.
        fiber f([] { this_fiber::suspend(); });
        f.resume();
        volatile std::uintptr_t nowhere = 8;
        *reinterpret_cast<volatile int*>(nowhere) = 1;
      },
      &said);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 42) << status << said;
  EXPECT_EQ(said.find("overflow"), std::string::npos) << said;
}

TEST_F(guard_test, a_fault_signal_that_somebody_sends_ends_the_process) {
  if (sanitized) GTEST_SKIP() << "the sanitizer has its own handler";
  const int status = in_child([] {
    fiber f([] { raise(SIGSEGV); });
    f.resume();
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) << status;
}

TEST_F(guard_test, stacks_are_guarded_under_mlockall_of_the_future) {
  std::string said;
  const auto child = [] {
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) _exit(77);
    std::vector<fiber> fibers;
    for (int i = 0; i < 300; ++i) {
      fibers.emplace_back([] { this_fiber::suspend(); }, ramie::fiber_options{.stack_bytes = 32 << 10});
      fibers.back().resume();
      if (fibers.back().stack().guard == ramie::guard::none || !is_guarded(fibers.back().stack().low - 1)) _exit(2);
    }
  };
  const int status = in_child(child, &said);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    std::printf("skipped: mlockall: not permitted\n");
    GTEST_SKIP();
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status << said;
}

TEST_F(guard_test, a_million_guarded_fibers_live_in_fewer_than_a_hundred_mappings) {
  if (sanitized || chosen() == ramie::guard::mprotect) GTEST_SKIP() << "two mappings each";
  // A million on the rung that this machine takes; elsewhere a tenth, for the time that it takes.
  std::size_t count = std::getenv("RAMIE_GUARD") == nullptr ? 1'000'000 : 100'000;
  if (available_mebibytes() < 6000) {
    count = 100'000;
    std::printf("skipped: a million fibers: %zu MiB available; %zu instead\n", available_mebibytes(), count);
  }
  std::vector<fiber> fibers;
  fibers.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    fibers.emplace_back([] { this_fiber::suspend(); });
    fibers.back().resume();
  }
  EXPECT_LT(mappings(), 100U);
  for (std::size_t i = 0; i < count; i += count / 1000) ASSERT_TRUE(is_guarded(fibers[i].stack().low - 1)) << i;
  std::printf("%zu guarded fibers (%s) in %zu mappings\n", count, ramie::name_of(chosen()), mappings());
  EXPECT_EQ(ramie::resume_each(fibers), 0U);
}

TEST_F(guard_test, the_mprotect_rung_refuses_in_time_and_the_rest_of_the_process_works) {
  if (few_fibers_only || chosen() != ramie::guard::mprotect) GTEST_SKIP() << "needs RAMIE_GUARD=mprotect";
  std::vector<fiber> fibers;
  std::string refusal;
  try {
    for (int i = 0; i < 200'000; ++i) {
      fibers.emplace_back([] { this_fiber::suspend(); }, ramie::fiber_options{.stack_bytes = 16 << 10});
      fibers.back().resume();
    }
  } catch (const ramie::stack_error& error) {
    refusal = error.what();
    EXPECT_EQ(error.limit(), ramie::stack_limit::mappings);
    EXPECT_EQ(error.code(), std::errc::not_enough_memory);
    EXPECT_NE(error.cure().find("sysctl -w vm.max_map_count="), std::string::npos);
    // emplace_back makes the fiber, so the closure's type tells the site: its function by g++, its place by clang.
#if defined(__clang__)
    EXPECT_NE(refusal.find("guard_test.cpp:"), std::string::npos) << refusal;
#else
    EXPECT_NE(refusal.find("refuses_in_time"), std::string::npos) << refusal;
#endif
  }
  if (refusal.empty()) {
    std::printf("skipped: mprotect limit: vm.max_map_count is too high to reach here\n");
    GTEST_SKIP();
  }
  EXPECT_GT(fibers.size(), 1000U);
  // What a process needs mappings for goes on working.
  std::vector<std::thread> threads;
  for (int i = 0; i < 50; ++i) threads.emplace_back([] { static_cast<void>(std::string(100, 'x')); });
  for (auto& thread : threads) thread.join();
  void* large = std::malloc(std::size_t{64} << 20);
  EXPECT_NE(large, nullptr);
  std::free(large);
  // One given back, one created.
  EXPECT_EQ(fibers.back().state(), ramie::fiber_state::created);
  EXPECT_FALSE(fibers[0].resume());
  EXPECT_TRUE(fibers.back().resume());
  std::printf("mprotect: %zu fibers, then: %s\n", fibers.size() - 1, refusal.c_str());
}

}  // namespace
