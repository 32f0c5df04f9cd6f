// A plain fork() while calls run and wait.
#include "offload/offload_world.hpp"

#include <sys/wait.h>
#include <unistd.h>

namespace ramie_test {
namespace {

using ramie::offload;
using ramie::scope;

class fork_test : public offload_world {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_THREAD__)
    std::printf("skipped: a fork with threads: ThreadSanitizer's child starts no threads\n");
    GTEST_SKIP();
#endif
  }
};

// The child's exit code says what went wrong; 0: nothing.
int wait_for(pid_t child) {
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

TEST_F(fork_test, a_childs_calls_get_threads_of_their_own) {
  ramie::run([&] {
    offload(pool, [] {});
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      const bool good = offload(pool, [] { return getppid() != 0; }) && pool.statistics().threads == 1;
      _exit(good ? 0 : 1);
    }
    EXPECT_EQ(wait_for(child), 0);
  });
}

TEST_F(fork_test, what_ran_or_waited_in_the_parent_ends_with_an_error_in_the_child) {
  ramie::run([&](scope& s) {
    std::atomic<bool> open = false;
    bool in_child = false;
    int lost = 0;
    for (int i = 0; i < 4; ++i) {
      s.spawn([&] {
        try {
          offload(pool, [&] {
            while (!open) std::this_thread::yield();
          });
          EXPECT_FALSE(in_child);
        } catch (const std::system_error& error) {
          if (error.code() == std::errc::operation_canceled) ++lost;
        }
      });
    }
    wait_for_running(2);
    wait_for_queued(2);
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      in_child = true;
      s.join();
      _exit(lost == 4 ? 0 : 2 + lost);
    }
    EXPECT_EQ(wait_for(child), 0);
    open = true;
    s.join();
    EXPECT_EQ(lost, 0);
  });
}

TEST_F(fork_test, a_fork_at_any_moment_leaves_the_child_able_to_call) {
#if defined(__SANITIZE_ADDRESS__)
  std::printf(
      "skipped: a fork while other threads allocate: AddressSanitizer's allocator is locked in the child for ever\n");
  GTEST_SKIP();
#endif
  std::atomic<bool> over = false;
  std::thread busy([&] {
    ramie::run([&](scope& s) {
      for (int i = 0; i < 4; ++i) {
        s.spawn([&] {
          while (!over) {
            ramie::offload([](const std::stop_token&) {});
            (void)ramie::try_for(100us, [] {
              ramie::offload([](const std::stop_token& stop) {
                while (!stop.stop_requested()) std::this_thread::yield();
              });
            });
          }
        });
      }
    });
  });
  for (int i = 0; i < 40; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      _exit(ramie::offload([] { return 1; }) == 1 ? 0 : 1);
    }
    EXPECT_EQ(wait_for(child), 0) << i;
  }
  over = true;
  busy.join();
}

}  // namespace
}  // namespace ramie_test
