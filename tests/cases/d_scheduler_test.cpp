// The behaviour cases of docs/cases.md, section D: what has to do with a scheduler being there.
#include "cases/task_cases.hpp"

#include <ramie/event.hpp>

#include <chrono>
#include <thread>

namespace cases {
namespace {

// D01
TEST(scheduler_test, a_scope_outside_of_run_is_refused_in_words) {
  try {
    ramie::with_scope([](scope& s) { s.spawn([] {}); });
    FAIL() << "nothing was thrown";
  } catch (const std::logic_error& refused) {
    EXPECT_NE(std::string(refused.what()).find("ramie::run"), std::string::npos) << refused.what();
  }
}

// D03
TEST(scheduler_test, run_at_the_end_of_a_thread_runs_what_is_pending_first) {
  words said;
  std::thread([&] {
    ramie::run([&](scope& s) {
      s.spawn([&] {
        this_task::yield();
        said.push_back("pending");
      });
    });
    said.push_back("closed");
  }).join();
  EXPECT_EQ(said, (words{"pending", "closed"}));
}

// D04
TEST(scheduler_test, there_are_tasks_inside_of_run_and_none_outside) {
  EXPECT_EQ(ramie::dump_tasks(), "");
  EXPECT_STREQ(this_task::name(), "");
  ramie::run([](scope& s) {
    s.spawn([] { EXPECT_STREQ(this_task::name(), "inside"); }, {.name = "inside"});
    EXPECT_NE(ramie::dump_tasks({.stacks = false}).find("'inside'"), std::string::npos);
  });
  EXPECT_EQ(ramie::dump_tasks(), "");
}

// D05
TEST(scheduler_test, five_sleeps_end_in_order_and_all_five_wait_at_once) {
  numbers ended;
  ramie::run(
      [&](scope& s) {
        std::vector<task<void>> all;
        for (int i = 0; i < 5; ++i) {
          all.push_back(s.spawn([&ended, i] {
            const auto began = this_task::now();
            this_task::sleep_for(i * 10ms + 10ms);
            EXPECT_EQ(this_task::now() - began, i * 10ms + 10ms);
            ended.push_back(i);
          }));
        }
        settle();
        for (auto& one : all) EXPECT_EQ(one.state(), task_state::waiting);
      },
      fake_time);
  EXPECT_EQ(ended, (numbers{0, 1, 2, 3, 4}));
}

// D08
TEST(scheduler_test, a_thread_that_ends_later_wakes_who_waits_for_it) {
  for (int round = 0; round < 20; ++round) {
    ramie::event over;
    std::thread other;
    ramie::run([&] {
      other = std::thread([&] {
        std::this_thread::sleep_for(1ms);
        over.set();
      });
      over.wait();
    });
    other.join();
  }
}

// D10
TEST(scheduler_test, a_join_with_a_limit_returns_and_the_joined_one_lives) {
  ramie::run(
      [](scope& s) {
        auto sleeper = s.spawn([] { this_task::sleep_for(1h); });
        EXPECT_FALSE(ramie::try_for(100ms, [&] { sleeper.join(); }));
        EXPECT_EQ(sleeper.state(), task_state::waiting);
        sleeper.cancel();
      },
      fake_time);
}

// D11
TEST(scheduler_test, a_fiber_inside_a_task_may_block_the_thread_on_another_thread) {
  words said;
  ramie::run([&](scope& s) {
    ramie::event told;
    s.spawn([&] {
      told.wait();
      said.push_back("told");
    });
    ramie::fiber inner([&] {
      std::thread([&] { told.set(); }).join();
      said.push_back("joined");
    });
    EXPECT_FALSE(inner.resume());
    s.join();
  });
  EXPECT_EQ(said, (words{"joined", "told"}));
}

// D25
TEST(scheduler_test, a_limit_around_a_sleep_ends_it_in_a_task_and_has_no_meaning_without_a_scheduler) {
  ramie::run([] { EXPECT_THROW(ramie::with_timeout(1ms, [] { this_task::sleep_for(1s); }), ramie::timed_out); },
             fake_time);
  EXPECT_THROW(ramie::with_timeout(1ms, [] {}), std::logic_error);
}

}  // namespace
}  // namespace cases
