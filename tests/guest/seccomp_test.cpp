// The filter of seccomp_run: this program starts itself under it and asks for what is forbidden.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

namespace {

// Runs one case of this program under seccomp_run and returns the exit status, or -1.
int run_filtered(const std::string& test_case) {
  const std::string command = std::string("RAMIE_UNDER_SECCOMP=1 " RAMIE_SECCOMP_RUN " /proc/") +
                              std::to_string(getpid()) + "/exe --gtest_filter=" + test_case + " >/dev/null";
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool under_filter() { return std::getenv("RAMIE_UNDER_SECCOMP") != nullptr; }

TEST(inside_the_filter, what_containers_forbid_answers_eperm) {
  if (!under_filter()) GTEST_SKIP();
  for (long number : {SYS_userfaultfd, SYS_process_madvise, SYS_io_uring_setup}) {
    EXPECT_EQ(syscall(number, 0, 0, 0, 0, 0, 0), -1) << number;
    EXPECT_EQ(errno, EPERM) << number;
  }
  EXPECT_EQ(syscall(SYS_getppid), getppid());
}

TEST(seccomp_run, forbids_what_containers_forbid) {
  const int status = run_filtered("inside_the_filter.*");
  if (status == 126) {
    std::puts("skipped: seccomp filter: this kernel or sandbox refuses prctl(PR_SET_SECCOMP)");
    GTEST_SKIP();
  }
  EXPECT_EQ(status, 0);
}

TEST(seccomp_run, passes_on_the_exit_status_of_a_failed_test) {
  EXPECT_EQ(std::system(RAMIE_SECCOMP_RUN " sh -c 'exit 3'") >> 8, 3);
  EXPECT_EQ(std::system(RAMIE_SECCOMP_RUN " /nonexistent 2>/dev/null") >> 8, 127);
}

}  // namespace
