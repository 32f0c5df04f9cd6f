// Reductions: a task that never waits cannot keep the others from running, and what it used is counted.
#include "task/task_world.hpp"

#include <ramie/interval.hpp>
#include <ramie/mutex.hpp>
#include <ramie/select.hpp>
#include <ramie/semaphore.hpp>
#include <ramie/throttle.hpp>

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

TEST_F(fairness_test, operations_that_do_not_wait_are_charged_and_starve_nobody) {
  ramie::run([&] {
    ramie::mutex m;
    ramie::shared_mutex shared;
    ramie::semaphore permits(0);
    ramie::channel<int> empty, closed;
    closed.close();
    ramie::throttle turns(1, 1h);
    ramie::interval every(1h);
    const auto cost = [](auto operation) {
      const auto before = ramie::this_task::used().reductions;
      operation();
      return ramie::this_task::used().reductions - before;
    };
    int value = 0;
    const auto lock = [&](auto& one) {
      if (one.try_lock()) one.unlock();
    };
    EXPECT_GE(cost([&] { lock(m); }), 1U);
    EXPECT_GE(cost([&] { lock(shared); }), 1U);
    EXPECT_GE(cost([&] { (void)permits.try_acquire(); }), 1U);
    EXPECT_GE(cost([&] { (void)empty.try_send(value); }), 1U);
    EXPECT_GE(cost([&] { (void)empty.try_receive(); }), 1U);
    EXPECT_GE(cost([&] { (void)closed.receive(); }), 1U);
    EXPECT_GE(cost([&] { (void)turns.try_now(); }), 1U);
    EXPECT_GE(cost([&] { (void)every.count(); }), 1U);
    EXPECT_GE(cost([&] { ramie::select(ramie::on(empty, [](int) {}), ramie::otherwise([] {})); }), 1U);
    EXPECT_GE(cost([] { ramie::this_task::check(); }), 1U);
    EXPECT_GE(cost([] { (void)ramie::try_for(1h, [] {}); }), 1U);
    EXPECT_GE(cost([] { ramie::with_scope([](scope&) {}); }), 1U);
  });
}

TEST_F(fairness_test, a_loop_that_only_checks_hears_its_time_limit) {
  ramie::run([&] {
    EXPECT_THROW(ramie::with_timeout(5ms,
                                     [] {
                                       for (;;) ramie::this_task::check();
                                     }),
                 ramie::timed_out);
  });
}

TEST_F(fairness_test, a_stop_callback_that_is_called_by_a_time_limit_may_use_what_does_not_wait) {
  ramie::run([&] {
    ramie::channel<int> told(ramie::unbounded);
    EXPECT_FALSE(ramie::try_for(1ms, [&] {
      std::stop_callback on_stop(ramie::this_task::stop_token(), [&] {
        for (int i = 0; i < 10'000; ++i) (void)told.try_send(i);
      });
      ramie::this_task::sleep_for(1h);
    }));
    EXPECT_EQ(told.size(), 10'000U);
  });
}

}  // namespace
}  // namespace ramie_test
