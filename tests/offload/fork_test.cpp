// A plain fork() while calls run and wait.
#include "fiber/forked.hpp"
#include "offload/offload_world.hpp"

#include <unistd.h>

namespace ramie_test {
namespace {

using ramie::offload;
using ramie::scope;

class fork_test : public offload_world {
 protected:
  void SetUp() override {
    if (!children_start_threads()) GTEST_SKIP();
  }
};

TEST_F(fork_test, a_childs_calls_get_threads_of_their_own) {
  ramie::run([&] {
    offload(pool, [] {});
    EXPECT_EQ(code_of_child([&] {
                const bool good = offload(pool, [] { return getppid() != 0; }) && pool.statistics().threads == 1;
                return good ? 0 : 1;
              }),
              0);
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
    EXPECT_EQ(code_of_child([&] {
                in_child = true;
                s.join();
                return lost == 4 ? 0 : 2 + lost;
              }),
              0);
    open = true;
    s.join();
    EXPECT_EQ(lost, 0);
  });
}

TEST_F(fork_test, a_fork_at_any_moment_leaves_the_child_able_to_call) {
  if (!others_may_allocate_at_a_fork()) GTEST_SKIP();
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
    EXPECT_EQ(code_of_child([] { return ramie::offload([] { return 1; }) == 1 ? 0 : 1; }), 0) << i;
  }
  over = true;
  busy.join();
}

}  // namespace
}  // namespace ramie_test
