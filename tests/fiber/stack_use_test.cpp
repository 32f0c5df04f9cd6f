// How deep a fiber went, by fiber and by the place that made it.
#include <ramie/fiber.hpp>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

using ramie::fiber;
namespace this_fiber = ramie::this_fiber;

// Some room: what checkers and the frames around the array add.
#if defined(RAMIE_ASAN) || defined(RAMIE_TSAN)
constexpr std::size_t frames = 8192;
#else
// The portable twin keeps a kilobyte of registers on the stack.
#if defined(RAMIE_SWITCH_UCONTEXT)
constexpr std::size_t frames = 3000;
#else
constexpr std::size_t frames = 1500;
#endif
#endif

[[gnu::noinline]] void write_to_depth(std::size_t bytes) {
  auto* mine = static_cast<volatile char*>(__builtin_alloca(bytes));
  mine[0] = 1;
}

class stack_use_test : public testing::Test {
 protected:
  void SetUp() override { ramie::measure_stacks(true); }
  void TearDown() override { ramie::measure_stacks(false); }
};

TEST_F(stack_use_test, the_deepest_word_is_found_whatever_other_fibers_left_there) {
  // The same slot again and again: a deep one before a shallow one must not count for it.
  for (const std::size_t depth : {40'000U, 3'000U, 20'000U, 9'000U, 3'000U, 50'000U}) {
    fiber f([depth] {
      write_to_depth(depth);
      this_fiber::suspend();
    });
    f.resume();
    EXPECT_GE(f.stack().deepest_bytes, depth);
    EXPECT_LE(f.stack().deepest_bytes, depth + frames);
    const std::size_t alive = f.stack().deepest_bytes;
    EXPECT_GE(f.stack().most_used_bytes + 4096, f.stack().in_use_bytes);
    f.resume();
    EXPECT_EQ(f.state(), ramie::fiber_state::terminated);
    EXPECT_GE(f.stack().deepest_bytes, alive) << "it is known after the end, too";
    EXPECT_LE(f.stack().deepest_bytes, depth + frames);
  }
}

TEST_F(stack_use_test, a_page_touched_far_below_others_is_found) {
  fiber f(
      [] {
        write_to_depth(700'000);
        this_fiber::suspend();
      },
      {.stack_bytes = 1 << 20});
  f.resume();
  EXPECT_GE(f.stack().deepest_bytes, 700'000U);
}

TEST_F(stack_use_test, nothing_is_said_of_fibers_that_started_while_it_was_off) {
  ramie::measure_stacks(false);
  fiber f([] { this_fiber::suspend(); });
  f.resume();
  ramie::measure_stacks(true);
  EXPECT_EQ(f.stack().deepest_bytes, 0U);
}

TEST_F(stack_use_test, places_are_told_apart_and_each_gets_a_suggestion) {
  const auto run_all = [] {
    for (int i = 0; i < 30; ++i) {
      fiber shallow([] { write_to_depth(2'000); });
      fiber deep([] { write_to_depth(30'000); });
      while (shallow.resume()) {
      }
      while (deep.resume()) {
      }
    }
  };
  std::thread other(run_all);
  other.join();
  fiber alive([] {
    write_to_depth(39'000);
    this_fiber::suspend();
  });
  alive.resume();
  const std::vector<ramie::stack_use> uses = ramie::stack_use_by_site();
  std::size_t here = 0;
  for (const ramie::stack_use& use : uses) {
    if (use.made_at.find("stack_use_test.cpp:") == std::string::npos) continue;
    ++here;
    EXPECT_GE(use.suggested_bytes, use.deepest_bytes + use.deepest_bytes / 2);
    EXPECT_EQ(use.suggested_bytes % static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), 0U);
  }
  EXPECT_GE(here, 3U) << ramie::stack_use_report();
  EXPECT_TRUE(std::is_sorted(uses.begin(), uses.end(),
                             [](const auto& a, const auto& b) { return a.deepest_bytes > b.deepest_bytes; }));
  const auto of = [&](std::size_t depth) {
    return std::find_if(uses.begin(), uses.end(), [depth](const ramie::stack_use& use) {
      return use.deepest_bytes >= depth && use.deepest_bytes <= depth + frames;
    });
  };
  for (const std::size_t depth : {2'000U, 30'000U}) {
    ASSERT_NE(of(depth), uses.end()) << ramie::stack_use_report();
    EXPECT_EQ(of(depth)->fibers, 30U);
  }
  ASSERT_NE(of(39'000), uses.end());
  EXPECT_EQ(of(39'000)->fibers, 1U);
  // What is suggested is enough.
  fiber again([] { write_to_depth(30'000); }, {.stack_bytes = of(30'000)->suggested_bytes});
  EXPECT_FALSE(again.resume());
}

TEST_F(stack_use_test, the_environment_turns_it_on_and_a_report_is_printed_at_exit) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], STDERR_FILENO);
    setenv("RAMIE_STACK_USE", "1", 1);
    execl("/proc/self/exe", "self", "--gtest_filter=*child_of_the_report", "--gtest_also_run_disabled_tests", nullptr);
    _exit(errno == ENOEXEC ? 77 : 1);
  }
  close(ends[1]);
  std::string said;
  char part[4096];
  for (ssize_t got; (got = read(ends[0], part, sizeof part)) > 0;) said.append(part, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    std::puts("skipped: a program that starts itself again: the emulator is not registered with binfmt_misc");
    GTEST_SKIP();
  }
  EXPECT_EQ(status, 0);
  EXPECT_NE(said.find("stack use by the place"), std::string::npos) << said;
  EXPECT_NE(said.find("stack_use_test.cpp:"), std::string::npos) << said;
  EXPECT_NE(said.find("1 fibers, .stack_bytes = "), std::string::npos) << said;
}

TEST(stack_use_in_a_child_test, DISABLED_child_of_the_report) {
  fiber f([] { write_to_depth(10'000); });
  EXPECT_FALSE(f.resume());
}

}  // namespace
