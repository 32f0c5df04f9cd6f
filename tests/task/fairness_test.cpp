// Reductions: a task that never waits cannot keep the others from running, and what it used is counted.
#include "task/task_world.hpp"

#include <cstdio>

namespace ramie_test {
namespace {

using ramie::scope;

class fairness_test : public task_world {};

TEST_F(fairness_test, a_spinning_task_that_calls_reduce_lets_timers_fire) {
  ramie::run([&](scope& s) {
    bool over = false;
    s.spawn([&] {
      ramie::this_task::sleep_for(5ms);
      over = true;
    });
    std::uint64_t spins = 0;
    while (!over) {
      ramie::this_task::reduce();
      ++spins;
    }
    EXPECT_GT(spins, 0U);
  });
}

TEST_F(fairness_test, four_thousand_reductions_are_a_slice) {
  ramie::run([&](scope& s) {
    s.spawn([&] { say("other"); });
    const ramie::this_task::no_yield whole_slices_only;
    static_cast<void>(whole_slices_only);
  });
  said.clear();
  ramie::run([&](scope& s) {
    s.spawn([&] { say("other"); });
    ramie::this_task::reduce(4000);
    const bool ran_early = !said.empty();
    ramie::this_task::reduce(1);
    // A tick of the clock may end a slice before its reductions do, never after.
    EXPECT_TRUE(ran_early || said == words{"other"});
    EXPECT_EQ(said, words{"other"});
  });
}

TEST_F(fairness_test, after_a_whole_slice_timers_are_looked_at) {
  ramie::run([&](scope& s) {
    s.spawn([&] {
      ramie::this_task::sleep_for(1us);
      say("woken");
    });
    ramie::this_task::yield();  // it sleeps
    const auto due = ramie::this_task::now() + 10us;
    while (ramie::this_task::now() < due) {
    }
    ramie::this_task::reduce(4001);
    EXPECT_EQ(said, words{"woken"});
  });
}

TEST_F(fairness_test, who_is_ready_has_turns_while_thousands_are_woken) {
#if defined(__SANITIZE_THREAD__)
  std::printf("skipped: 20,000 tasks: ThreadSanitizer knows 8,128 threads and fibers\n");
  GTEST_SKIP();
#endif
  constexpr std::size_t count = 20'000;
  std::size_t woken = 0, turns = 0;
  const auto body = [&](scope& s) {
    s.spawn([&] {
      ramie::this_task::sleep_for(1ms);  // woken first, and ready when its first slice is over
      while (woken != count) {
        ramie::this_task::reduce(4001);
        ++turns;
      }
    });
    for (std::size_t i = 0; i < count; ++i) {
      s.spawn([&] {
        ramie::this_task::sleep_for(1ms);
        ++woken;
      });
    }
  };
  ramie::run(body, fake_time);
  EXPECT_GE(turns, 4U);
}

TEST_F(fairness_test, a_join_that_never_waits_is_charged_too) {
  ramie::run([&](scope& s) {
    auto done = s.spawn([] {});
    done.join();
    s.spawn([&] { say("other"); });
    for (int i = 0; i < 5000; ++i) done.join();
    EXPECT_EQ(said, words{"other"});
  });
}

TEST_F(fairness_test, a_no_yield_region_keeps_the_processor_and_is_counted) {
  ramie::run([&](scope& s) {
    s.spawn([&] { say("other"); });
    {
      ramie::this_task::no_yield whole;
      for (int i = 0; i < 20'000; ++i) ramie::this_task::reduce();
      EXPECT_EQ(said, words{});
    }
    EXPECT_GE(ramie::this_task::used().reductions, 20'000U);
    for (int i = 0; i < 5000; ++i) ramie::this_task::reduce();
    EXPECT_EQ(said, words{"other"});
  });
}

TEST_F(fairness_test, processor_time_is_seen_by_the_tick) {
  ramie::run([&](scope& s) {
    auto hog = s.spawn([] {
      const auto start = std::chrono::steady_clock::now();
      while (std::chrono::steady_clock::now() - start < 50ms) ramie::this_task::reduce();
      return ramie::this_task::used().processor_ms;
    });
    EXPECT_GT(hog.get(), 0U);
    EXPECT_LT(ramie::this_task::used().processor_ms, 40U);
  });
}

TEST_F(fairness_test, yielding_tasks_do_not_keep_a_timer_waiting) {
  ramie::run([&](scope& s) {
    bool over = false;
    for (int i = 0; i < 2; ++i) {
      s.spawn([&] {
        while (!over) ramie::this_task::yield();
      });
    }
    s.spawn([&] {
      ramie::this_task::sleep_for(2ms);
      over = true;
    });
    s.join();
  });
}

}  // namespace
}  // namespace ramie_test
