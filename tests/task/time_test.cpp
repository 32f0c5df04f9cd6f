// Time: sleeping, limits, and whole programs under a clock that goes to the next timer at once.
#include "task/task_world.hpp"

namespace ramie_test {
namespace {

using ramie::scope;
using clock = std::chrono::steady_clock;

class time_test : public task_world {};

TEST_F(time_test, a_limit_around_the_join_of_a_scope_ends_the_wait_and_not_the_children) {
  ramie::run([&](scope& s) {
    for (int i = 0; i < 2; ++i) {
      s.spawn([&] {
        ramie::this_task::sleep_for(50ms);
        say("child");
      });
    }
    EXPECT_FALSE(ramie::try_for(1ms, [&] { s.join(); }));
    say("late");
    EXPECT_TRUE(ramie::try_for(1s, [&] { s.join(); }));
    say("joined");
  });
  EXPECT_EQ(said, (words{"late", "child", "child", "joined"}));
}

TEST_F(time_test, several_tasks_may_join_a_scope) {
  ramie::run([&](scope& outer) {
    ramie::with_scope([&](scope& inner) {
      inner.spawn([&] { ramie::this_task::sleep_for(10ms); });
      auto other = outer.spawn([&] {
        inner.join();
        say("other");
      });
      inner.join();
      say("own");
      other.join();
    });
  });
  EXPECT_EQ(said, (words{"own", "other"}));
}

TEST_F(time_test, sleepers_wake_in_the_order_of_their_times) {
  ramie::run(
      [&](scope& s) {
        for (int i : {3, 1, 4, 0, 2}) {
          s.spawn([&, i] {
            ramie::this_task::sleep_for(i * 10ms);
            say(std::to_string(i));
          });
        }
      },
      fake_time);
  EXPECT_EQ(said, (words{"0", "1", "2", "3", "4"}));
}

TEST_F(time_test, equal_times_wake_in_the_order_in_which_they_were_set) {
  ramie::run(
      [&](scope& s) {
        for (int i = 0; i < 20; ++i) {
          s.spawn([&, i] {
            ramie::this_task::sleep_for(5ms);
            say(std::to_string(i));
          });
        }
      },
      fake_time);
  words expected;
  for (int i = 0; i < 20; ++i) expected.push_back(std::to_string(i));
  EXPECT_EQ(said, expected);
}

TEST_F(time_test, a_fake_clock_goes_exactly_to_the_next_timer) {
  const auto before = clock::now();
  ramie::run(
      [&] {
        const auto start = ramie::this_task::now();
        ramie::this_task::sleep_for(24h * 365);
        EXPECT_EQ(ramie::this_task::now() - start, 24h * 365);
        ramie::this_task::sleep_for(1ns);
        EXPECT_EQ(ramie::this_task::now() - start, 24h * 365 + 1ns);
      },
      fake_time);
  EXPECT_LT(clock::now() - before, 10s);
}

TEST_F(time_test, a_sleep_lasts_at_least_as_long_as_was_asked) {
  ramie::run([] {
    const auto start = clock::now();
    ramie::this_task::sleep_for(3ms);
    EXPECT_GE(clock::now() - start, 3ms);
    ramie::this_task::sleep_until(start);  // over already
    ramie::this_task::sleep_for(-1s);
  });
}

TEST_F(time_test, a_limit_that_is_over_throws_its_own_timed_out) {
  ramie::run(
      [&] {
        try {
          ramie::with_timeout(1s, [&] {
            try {
              ramie::with_timeout(10ms, [] { ramie::this_task::sleep_for(1h); });
            } catch (const ramie::timed_out& inner) {
              EXPECT_EQ(inner.code(), std::errc::timed_out);
              say("inner");
              ramie::this_task::sleep_for(1h);
            }
          });
        } catch (const ramie::timed_out&) {
          say("outer");
        }
      },
      fake_time);
  EXPECT_EQ(said, (words{"inner", "outer"}));
}

TEST_F(time_test, an_outer_limit_is_not_caught_as_an_inner_one) {
  ramie::run(
      [&] {
        try {
          ramie::with_timeout(10ms, [&] {
            try {
              ramie::with_timeout(1s, [] { ramie::this_task::sleep_for(1h); });
            } catch (const ramie::timed_out&) {
              say("taken for the inner");
            }
          });
        } catch (const ramie::timed_out&) {
          say("outer");
        }
      },
      fake_time);
  EXPECT_EQ(said, words{"outer"});
}

TEST_F(time_test, a_block_in_time_returns_its_value) {
  ramie::run([] {
    EXPECT_EQ(ramie::with_timeout(1h, [] { return 4; }), 4);
    EXPECT_EQ(ramie::try_for(1h, [] { return 5; }), std::optional(5));
    EXPECT_TRUE(ramie::try_for(1h, [] {}));
    int there = 0;
    int& reference = ramie::with_deadline(clock::now() + 1h, [&]() -> int& { return there; });
    EXPECT_EQ(&reference, &there);
  });
}

TEST_F(time_test, a_limit_of_zero_ends_the_first_wait_and_nothing_that_needs_none) {
  ramie::run([&](scope& s) {
    EXPECT_THROW(ramie::with_timeout(0ns, [] { ramie::this_task::sleep_for(1h); }), ramie::timed_out);
    auto done = s.spawn([] { return 1; });
    done.join();
    EXPECT_EQ(ramie::with_timeout(0ns, [&] { return done.get(); }), 1);
  });
}

TEST_F(time_test, some_waiters_time_out_and_others_get_the_value) {
  ramie::run(
      [&](scope& s) {
        auto slow = s.spawn([] { ramie::this_task::sleep_for(100ms); });
        for (auto limit : {50ms, 150ms, 70ms, 200ms}) {
          s.spawn([&, limit] { say(ramie::try_for(limit, [&] { slow.join(); }) ? "had" : "late"); });
        }
        s.join();
      },
      fake_time);
  EXPECT_EQ(said, (words{"late", "late", "had", "had"}));
}

TEST_F(time_test, a_limit_covers_children_of_scopes_inside) {
  ramie::run(
      [&] {
        EXPECT_THROW(ramie::with_timeout(10ms,
                                         [&] {
                                           ramie::with_scope([&](scope& s) {
                                             s.spawn([&] {
                                               resident here(residents);
                                               ramie::this_task::sleep_for(1h);
                                             });
                                           });
                                         }),
                     ramie::timed_out);
      },
      fake_time);
}

TEST_F(time_test, an_error_of_the_body_comes_through_a_limit) {
  ramie::run([] { EXPECT_THROW(ramie::with_timeout(1h, [] { throw std::range_error("x"); }), std::range_error); });
}

TEST_F(time_test, a_thread_without_a_scheduler_sleeps_and_yields_as_it_can) {
  const auto start = clock::now();
  ramie::this_task::sleep_for(1ms);
  ramie::this_task::yield();
  ramie::this_task::reduce(10);
  EXPECT_GE(clock::now() - start, 1ms);
  EXPECT_THROW(ramie::with_timeout(1ms, [] {}), std::logic_error);
}

}  // namespace
}  // namespace ramie_test
