// Page faults of the parent while it switches, after it has made children. Counted, never timed.
#include <ramie/fiber.hpp>

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

extern char** environ;

namespace {

using ramie::fiber;
namespace this_fiber = ramie::this_fiber;

#if defined(RAMIE_ASAN) || defined(RAMIE_TSAN)
constexpr std::size_t population = 400;  // ThreadSanitizer dies at some 8,000
constexpr bool sanitized = true;
#else
constexpr std::size_t population = 1000;
constexpr bool sanitized = false;
#endif

long faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

class fault_test : public testing::Test {
 protected:
  void SetUp() override {
    fibers_.reserve(population);
    for (std::size_t i = 0; i < population; ++i) {
      fibers_.emplace_back([] {
        for (;;) this_fiber::suspend();
      });
    }
    switches();
    switches();
    // What the kernel or an emulator adds by itself; a sanitizer's own tables are one cause.
    const long alone = faults_of_switches();
    if (alone != 0) {
      std::printf("skipped: faults of switches: %ld here without any child\n", alone);
      GTEST_SKIP();
    }
  }

  // 10,000 of them: a resume and its suspend are two.
  void switches() {
    for (std::size_t done = 0; done < 5000;) {
      for (std::size_t i = 0; i < population && done < 5000; ++i, ++done) fibers_[i].resume();
    }
  }
  long faults_of_switches() {
    const long before = faults();
    switches();
    return faults() - before;
  }

  std::vector<fiber> fibers_;
};

TEST_F(fault_test, posix_spawn_costs_the_parents_switches_no_fault) {
#if defined(RAMIE_EMULATED)
  std::printf("skipped: page faults: an emulator's memory is not the program's\n");
  GTEST_SKIP();
#endif
  char path[] = "/bin/true";
  char* arguments[] = {path, nullptr};
  pid_t pid = 0;
  ASSERT_EQ(posix_spawn(&pid, path, nullptr, nullptr, arguments, environ), 0);
  int status = 0;
  faults_of_switches();  // the call's own stack and libc's data, not the switches
  waitpid(pid, &status, 0);
  ASSERT_EQ(posix_spawn(&pid, path, nullptr, nullptr, arguments, environ), 0);
  EXPECT_EQ(faults_of_switches(), 0);
  waitpid(pid, &status, 0);
  EXPECT_EQ(faults_of_switches(), 0);
}

TEST_F(fault_test, system_costs_the_parents_switches_no_fault) {
#if defined(RAMIE_EMULATED)
  std::printf("skipped: page faults: an emulator's memory is not the program's\n");
  GTEST_SKIP();
#endif
  ASSERT_EQ(std::system("true"), 0);
  ASSERT_EQ(std::system("true"), 0);
  EXPECT_EQ(faults_of_switches(), 0);
}

TEST_F(fault_test, vfork_costs_the_parents_switches_no_fault) {
#if defined(RAMIE_EMULATED)
  std::printf("skipped: page faults: an emulator's memory is not the program's\n");
  GTEST_SKIP();
#endif
#if defined(RAMIE_TSAN)
  GTEST_SKIP() << "ThreadSanitizer makes a fork of it";
#endif
  const pid_t pid = vfork();
  if (pid == 0) {
    execl("/bin/true", "true", nullptr);
    _exit(1);
  }
  EXPECT_EQ(faults_of_switches(), 0);
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(faults_of_switches(), 0);
}

// fork() copies the page tables and takes the right to write from both sides: the parent pays one fault for each page
// that it then writes, once. That is the price of fibers that go on in the child; docs/guide/stacks.md has the rest.
TEST_F(fault_test, fork_costs_the_parent_one_fault_for_each_page_and_then_none) {
#if defined(RAMIE_EMULATED)
  std::printf("skipped: page faults: an emulator's memory is not the program's\n");
  GTEST_SKIP();
#endif
  if (sanitized) GTEST_SKIP() << "shadow pages are counted too";
  for (const bool child_lives : {false, true}) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t pid = fork();
    if (pid == 0) {
      close(ends[1]);
      char byte = 0;
      if (child_lives && read(ends[0], &byte, 1) < 0) _exit(1);
      _exit(0);
    }
    close(ends[0]);
    int status = 0;
    if (!child_lives) waitpid(pid, &status, 0);
    const long first = faults_of_switches(), second = faults_of_switches();
    close(ends[1]);
    if (child_lives) waitpid(pid, &status, 0);
    std::printf("after fork, child %s: %ld faults in the first 10,000 switches over %zu fibers, then %ld\n",
                child_lives ? "alive" : "gone", first, population, second);
    // A page of stack each, and some pages of control data and of the thread's own.
    EXPECT_GE(first, static_cast<long>(population));
    EXPECT_LE(first, static_cast<long>(population + population / 10 + 60));
    EXPECT_EQ(second, 0);
  }
}

}  // namespace
