// The behaviour cases of docs/cases.md, section H: what users of polyphony know, as tasks.
#include "cases/task_cases.hpp"

#include <ramie/select.hpp>
#include <ramie/throttle.hpp>

#include <utility>

namespace cases {
namespace {

// H01
TEST(h_task_test, three_tasks_that_yield_three_times_take_turns) {
  numbers order;
  ramie::run([&](scope& s) {
    for (int i = 0; i < 3; ++i) {
      s.spawn([&order, i] {
        for (int round = 0; round < 3; ++round) {
          order.push_back(i);
          this_task::yield();
        }
      });
    }
  });
  EXPECT_EQ(order, (numbers{0, 1, 2, 0, 1, 2, 0, 1, 2}));
}

// H05
TEST(h_task_test, the_first_of_two_tasks_counts_and_a_failure_leaves_the_other_waiting) {
  ramie::run(
      [](scope&) {
        // A failure of a child cancels its siblings, so each has a scope of its own.
        ramie::with_scope([](scope& s) {
          auto fast = s.spawn([] {
            this_task::sleep_for(1ms);
            return 1;
          });
          auto slow = s.spawn([] {
            this_task::sleep_for(1s);
            return 2;
          });
          int first = 0;
          ramie::select(ramie::on(fast, [&](int got) { first = got; }), ramie::on(slow, [&](int got) { first = got; }));
          EXPECT_EQ(first, 1);
          EXPECT_EQ(slow.state(), task_state::waiting);
        });
        ramie::with_scope([](scope& outer) {
          auto waits = outer.spawn([] { this_task::sleep_for(1s); });
          task<void> fails;
          const auto fail_and_select = [&] {
            ramie::with_scope([&](scope& inner) {
              fails = inner.spawn([] { throw std::runtime_error("raised"); });
              ramie::select(ramie::on(fails, [] {}), ramie::on(waits, [] {}));
            });
          };
          EXPECT_THROW(fail_and_select(), std::runtime_error);
          EXPECT_EQ(fails.state(), task_state::failed);
          EXPECT_EQ(waits.state(), task_state::waiting);
        });
      },
      fake_time);
}

// H07
TEST(h_task_test, an_error_thrown_while_a_task_is_cancelled_is_its_failure_and_comes_out_of_the_scope) {
  words said;
  ramie::run(
      [&] {
        try {
          ramie::with_scope([&](scope& s) {
            auto grandchild = s.spawn([] {
              try {
                this_task::sleep_for(1h);
              } catch (const ramie::cancelled&) {
                throw std::runtime_error("while it ended");
              }
            });
            settle();
            grandchild.cancel();
            grandchild.join();
            EXPECT_EQ(grandchild.state(), task_state::failed);
          });
        } catch (const std::runtime_error& failed) {
          said.push_back(failed.what());
        }
      },
      fake_time);
  EXPECT_EQ(said, words{"while it ended"});
}

// H09
TEST(h_task_test, a_hundred_limits_in_a_row_each_end_their_own_block) {
  int ended = 0;
  ramie::run(
      [&] {
        for (int i = 0; i < 100; ++i) {
          if (!ramie::try_for(1ms, [] { this_task::sleep_for(1s); })) ++ended;
          if (ramie::try_for(1s, [] { this_task::sleep_for(1ms); })) ++ended;
        }
      },
      fake_time);
  EXPECT_EQ(ended, 200);
}

// H10
TEST(h_task_test, a_throttled_loop_keeps_its_rate_also_inside_a_limit) {
  ramie::run(
      [] {
        const auto began = this_task::now();
        ramie::throttle rate(50, 1s);
        for (int i = 0; i < 5; ++i) rate.wait();
        EXPECT_EQ(this_task::now() - began, 80ms);
        int turns = 0;
        ramie::throttle slower(50, 1s);
        EXPECT_FALSE(ramie::try_for(70ms, [&] {
          for (;;) {
            slower.wait();
            ++turns;
          }
        }));
        EXPECT_EQ(turns, 4);  // at 0, 20, 40, 60 ms
      },
      fake_time);
}

// H11
TEST(h_task_test, a_slow_round_is_not_made_up_for_by_a_burst) {
  int rounds = 0;
  ramie::run(
      [&] {
        ramie::throttle every(1, 10ms);
        static_cast<void>(ramie::try_for(149ms, [&] {
          for (;;) {
            every.wait();
            ++rounds;
            this_task::sleep_for(50ms);
          }
        }));
      },
      fake_time);
  EXPECT_EQ(rounds, 3);
}

// H13
TEST(h_task_test, who_watches_a_task_spawns_it_again_when_it_fails) {
  words said;
  ramie::run(
      [&] {
        for (int attempt = 1; attempt <= 3; ++attempt) {
          try {
            ramie::with_scope([&](scope& s) {
              s.spawn(
                  [&] {
                    this_task::sleep_for(1ms);
                    said.push_back(std::string(this_task::name()) + " " + std::to_string(attempt));
                    if (attempt < 3) throw std::runtime_error("again");
                  },
                  {.name = "worker"});
            });
            said.push_back("done");
          } catch (const std::runtime_error& failed) {
            said.push_back(failed.what());
          }
        }
      },
      fake_time);
  EXPECT_EQ(said, (words{"worker 1", "again", "worker 2", "again", "worker 3", "done"}));
}

// H15
TEST(h_task_test, the_cause_tells_a_graceful_end_from_a_hasty_one_also_to_children) {
  const auto steps_of = [](const char* how) {
    numbers steps;
    const auto work = [&] {
      try {
        steps.push_back(1);
        this_task::sleep_for(1h);
      } catch (const ramie::cancelled& told) {
        steps.push_back(2);
        if (text_of(told.cause()) == "graceful") {
          ramie::with_shield(1s, [] { this_task::sleep_for(1ms); });
          steps.push_back(4);
        }
        throw;
      }
    };
    ramie::run(
        [&](scope& s) {
          auto parent = s.spawn([&] { ramie::with_scope([&](scope& inner) { inner.spawn(work); }); });
          settle();
          parent.cancel(error_named(how));
          parent.join();
        },
        fake_time);
    return steps;
  };
  EXPECT_EQ(steps_of("hasty"), (numbers{1, 2}));
  EXPECT_EQ(steps_of("graceful"), (numbers{1, 2, 4}));
}

}  // namespace
}  // namespace cases
