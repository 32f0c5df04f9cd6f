// What tests do in the child of a fork, and where they cannot.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>

namespace ramie_test {

// Each says aloud why not.
inline bool children_start_threads() {
#if defined(__SANITIZE_THREAD__)
  std::printf("skipped: a fork with threads: ThreadSanitizer's child starts no threads\n");
  return false;
#elif defined(RAMIE_EMULATED)
  std::printf("skipped: a fork with threads: qemu-user's child dies of its own assertion when it starts one\n");
  return false;
#else
  return true;
#endif
}
inline bool others_may_allocate_at_a_fork() {
#if defined(__SANITIZE_ADDRESS__)
  std::printf(
      "skipped: a fork while other threads allocate: AddressSanitizer's allocator is locked in the child for ever\n");
  return false;
#else
  return true;
#endif
}

constexpr int hung = 98, threw = 99;

// What the child's body answers; `hung` after 20 s, `threw`, or 100 and the signal that killed it. The thread blocks
// meanwhile, and with it the parent's tasks.
template <class F>
int code_of_child(F&& body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    int code = threw;
    try {
      code = body();
    } catch (const std::exception& error) {
      std::printf("in the child: %s\n", error.what());
      std::fflush(stdout);
    } catch (...) {  // no test goes on here
    }
    _exit(code);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status) == SIGALRM ? hung : 100 + WTERMSIG(status);
}

}  // namespace ramie_test
