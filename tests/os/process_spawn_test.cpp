#include "os/process_spawn.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace ramie::os {
namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::uint64_t generous_ns = 60 * second_ns;

int open_descriptors() {
  int count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

// No descriptor and no child may be left behind.
class process_spawn : public testing::Test {
 protected:
  void SetUp() override { descriptors_ = open_descriptors(); }
  void TearDown() override {
    EXPECT_EQ(open_descriptors(), descriptors_);
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }
  exchange shell(const char* script, std::string_view input, std::uint64_t timeout_ns = generous_ns) {
    const char* const arguments[] = {"/bin/sh", "-c", script, nullptr};
    const char* const environment[] = {"PATH=/usr/bin:/bin", "WORD=given", nullptr};
    const exchange result = ask_program(arguments, environment, input, memory_, timeout_ns);
    answer_.assign(memory_.data(), result.answer_bytes);
    return result;
  }
  std::array<char, 1 << 16> memory_ = {};
  std::string answer_;

 private:
  int descriptors_ = 0;
};

TEST_F(process_spawn, gives_the_input_and_returns_the_answer) {
  errno = 77;
  const exchange result = shell("tr a-z A-Z", "hello\n");
  EXPECT_EQ(errno, 77);
  EXPECT_EQ(result.error, 0);
  EXPECT_FALSE(result.timed_out);
  EXPECT_EQ(answer_, "HELLO\n");
}

TEST_F(process_spawn, moves_more_than_a_socket_holds_in_both_directions) {
  const std::string text(memory_.size() - 1, 'x');
  EXPECT_EQ(shell("cat", text).error, 0);
  EXPECT_EQ(answer_, text);
}

TEST_F(process_spawn, stops_when_the_answer_is_full) {
  const exchange result = shell("yes", "");
  EXPECT_EQ(result.error, 0);
  EXPECT_EQ(result.answer_bytes, memory_.size());
}

TEST_F(process_spawn, survives_a_program_that_does_not_listen) {
  const std::string text(1 << 20, 'x');
  EXPECT_EQ(shell("exec <&-; echo done", text).error, 0);
  EXPECT_EQ(answer_, "done\n");
}

TEST_F(process_spawn, kills_a_program_that_hangs_and_what_it_has_started) {
  const exchange result = shell("sleep 1000 & echo $!; wait", "", second_ns / 2);
  EXPECT_TRUE(result.timed_out);
  const pid_t grandchild = std::atoi(answer_.c_str());
  ASSERT_GT(grandchild, 0) << "its answer until the limit counts";
  // Somebody reaps it: init, or nobody where there is none; a zombie is as good as gone.
  const std::string stat = "/proc/" + std::to_string(grandchild) + "/stat";
  for (int tries = 0; tries < 1000 && kill(grandchild, 0) == 0; ++tries) {
    std::array<char, 256> line = {};
    const int file = open(stat.c_str(), O_RDONLY | O_CLOEXEC);
    const bool dead = file < 0 || read(file, line.data(), line.size() - 1) <= 0 ||
                      std::string(line.data()).find(") Z") != std::string::npos;
    if (file >= 0) close(file);
    if (dead) return;
    usleep(10'000);
  }
  EXPECT_NE(kill(grandchild, 0), 0);
}

TEST_F(process_spawn, says_why_a_program_was_not_started) {
#if defined(__SANITIZE_THREAD__)
  std::puts("skipped: errors of execve: ThreadSanitizer makes fork of vfork");
  GTEST_SKIP();
#endif
  const char* const arguments[] = {"/nonexistent/program", nullptr};
  const char* const environment[] = {nullptr};
  EXPECT_EQ(ask_program(arguments, environment, "x", memory_, generous_ns).error, ENOENT);
  const char* const folder[] = {"/tmp", nullptr};
  EXPECT_EQ(ask_program(folder, environment, "x", memory_, generous_ns).error, EACCES);
}

TEST_F(process_spawn, says_that_no_descriptor_was_left) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const exchange result = shell("cat", "x");
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(result.error, EMFILE);
}

TEST_F(process_spawn, gives_the_program_nothing_but_what_it_was_given) {
  const int inheritable = open("/dev/null", O_RDONLY);  // NOLINT: without O_CLOEXEC on purpose
  shell("ls /proc/self/fd | wc -l; echo $WORD; env | grep -c HOME", "");
  EXPECT_EQ(answer_, "4\ngiven\n0\n") << "0, 1, 2 and the one that ls opens";
  close(inheritable);
}

TEST_F(process_spawn, works_where_the_standard_descriptors_are_closed) {
  const int kept = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100);
  close(STDIN_FILENO);
  const exchange result = shell("cat", "hello");
  if (kept >= 0) {
    dup2(kept, STDIN_FILENO);
    close(kept);
  } else {
    open("/dev/null", O_RDONLY);  // NOLINT
  }
  EXPECT_EQ(result.error, 0);
  EXPECT_EQ(answer_, "hello");
}

TEST_F(process_spawn, starts_it_with_no_signal_blocked_and_keeps_the_callers_mask) {
  sigset_t blocked;
  sigset_t after;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR2);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &blocked, nullptr), 0);
  shell("grep SigBlk /proc/self/status", "");
  ASSERT_EQ(pthread_sigmask(SIG_UNBLOCK, &blocked, &after), 0);
  EXPECT_EQ(answer_, "SigBlk:\t0000000000000000\n");
  EXPECT_EQ(sigismember(&after, SIGUSR2), 1);
  EXPECT_EQ(sigismember(&after, SIGINT), 0);
}

}  // namespace
}  // namespace ramie::os
