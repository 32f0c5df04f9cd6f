// What other threads may do with tasks, and schedulers on several threads.
#include "task/task_world.hpp"

#include <atomic>
#include <thread>

namespace ramie_test {
namespace {

using ramie::scope;
using ramie::task;

class thread_test : public task_world {};

TEST_F(thread_test, a_plain_thread_joins_a_task_and_takes_its_result) {
  std::atomic<task<int>*> handed{nullptr};
  std::thread other([&] {
    while (handed.load() == nullptr) std::this_thread::yield();
    EXPECT_EQ(handed.load()->get(), 11);
  });
  task<int> t;
  ramie::run([&](scope& s) {
    t = s.spawn([] {
      ramie::this_task::sleep_for(5ms);
      return 11;
    });
    handed = &t;
  });
  other.join();
}

TEST_F(thread_test, a_thread_may_cancel_a_task_of_another) {
  std::atomic<task<void>*> handed{nullptr};
  std::thread other([&] {
    while (handed.load() == nullptr) std::this_thread::yield();
    EXPECT_TRUE(handed.load()->cancel());
  });
  task<void> t;
  ramie::run([&](scope& s) {
    t = s.spawn([&] { ramie::this_task::sleep_for(1h); });
    handed = &t;
  });
  EXPECT_EQ(t.state(), ramie::task_state::cancelled);
  other.join();
}

TEST_F(thread_test, post_and_stop_reach_a_sleeping_runtime) {
  ramie::runtime r;
  std::atomic<int> ran{0};
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) r.post([&] { ++ran; });
    while (ran < 100) std::this_thread::yield();
    r.stop();
  });
  EXPECT_THROW(r.run([] { ramie::this_task::sleep_for(1h); }), ramie::task_cancelled);
  EXPECT_EQ(ran, 100);
  other.join();
}

TEST_F(thread_test, a_stop_that_comes_between_two_runs_reaches_the_tasks_that_wait) {
  ramie::runtime r;
  r.post([&] {
    const resident here(residents);
    ramie::this_task::sleep_for(1h);
  });
  EXPECT_FALSE(r.run_once(1ms));
  std::thread other([&] { r.stop(); });
  other.join();
  EXPECT_TRUE(r.run_once(1h));
}

TEST_F(thread_test, schedulers_on_several_threads_share_nothing) {
  std::vector<std::thread> threads;
  std::atomic<int> sum{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        ramie::run([&](scope& s) {
          for (int k = 0; k < 20; ++k) {
            s.spawn([&] {
              ramie::this_task::yield();
              ++sum;
            });
          }
        });
      }
    });
  }
  for (auto& one : threads) one.join();
  EXPECT_EQ(sum, 4 * 5 * 20);
}

TEST_F(thread_test, a_scope_of_another_thread_spawns_nothing) {
  ramie::run([&](scope& s) {
    std::thread other([&] {
      EXPECT_THROW(s.spawn([] {}), std::logic_error);
      ramie::run([&] { EXPECT_THROW(s.spawn([] {}), std::logic_error); });
    });
    other.join();
  });
}

}  // namespace
}  // namespace ramie_test
