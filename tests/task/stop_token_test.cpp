// Stop tokens of tasks, for code that knows nothing of tasks.
#include "task/task_world.hpp"

#include <ramie/event.hpp>

#include <stop_token>

namespace ramie_test {
namespace {

using ramie::scope;
using ramie::task;
using ramie::this_task::sleep_for;
using ramie::this_task::stop_token;

class stop_token_test : public task_world {};

TEST_F(stop_token_test, it_stops_when_the_task_is_cancelled_before_the_task_goes_on) {
  ramie::run(
      [&](scope& s) {
        task<void> t = s.spawn([&] {
          const std::stop_token mine = stop_token();
          EXPECT_FALSE(mine.stop_requested());
          const std::stop_callback told(mine, [&] { say("callback"); });
          try {
            sleep_for(1h);
          } catch (const ramie::cancelled&) {
            say("task");
            EXPECT_TRUE(mine.stop_requested());
            throw;
          }
        });
        settle();
        t.cancel();
        say("asked");
      },
      fake_time);
  EXPECT_EQ(said, (words{"callback", "asked", "task"}));
}

TEST_F(stop_token_test, the_same_block_gives_the_same_token) {
  ramie::run([] {
    EXPECT_EQ(stop_token(), stop_token());
    EXPECT_TRUE(ramie::try_for(1h, [outer = stop_token()] { EXPECT_NE(stop_token(), outer); }));
  });
}

TEST_F(stop_token_test, a_limit_stops_what_was_asked_for_inside_and_not_what_was_outside) {
  ramie::run(
      [&] {
        const std::stop_token outer = stop_token();
        std::stop_token inner, innermost;
        EXPECT_FALSE(ramie::try_for(1ms, [&] {
          inner = stop_token();
          (void)ramie::try_for(1h, [&] {
            innermost = stop_token();
            sleep_for(2h);
          });
        }));
        EXPECT_TRUE(inner.stop_requested());
        EXPECT_TRUE(innermost.stop_requested());
        EXPECT_FALSE(outer.stop_requested());
      },
      fake_time);
}

TEST_F(stop_token_test, a_shield_hides_requests_from_outside) {
  ramie::run(
      [&](scope& s) {
        task<void> t = s.spawn([&] {
          const std::stop_token outside = stop_token();
          ramie::with_shield(1h, [&] {
            const std::stop_token inside = stop_token();
            sleep_for(10ms);
            EXPECT_FALSE(inside.stop_requested());
            EXPECT_TRUE(outside.stop_requested());
          });
          EXPECT_TRUE(stop_token().stop_requested());
          EXPECT_FALSE(ramie::with_shield(1ms, [&] {
            const std::stop_token inside = stop_token();
            const std::stop_callback told(inside, [&] { say("grace is over"); });
            sleep_for(1h);
          }));
        });
        settle();
        t.cancel();
      },
      fake_time);
  EXPECT_EQ(said, words{"grace is over"});
}

TEST_F(stop_token_test, a_request_to_a_scope_reaches_the_tokens_of_all_below) {
  ramie::run(
      [&](scope& s) {
        int stopped = 0;
        s.spawn([&] {
          ramie::with_scope([&](scope& inner) {
            for (int i = 0; i < 5; ++i) {
              inner.spawn([&] {
                const auto token = stop_token();
                const std::stop_callback told(token, [&] { ++stopped; });
                sleep_for(1h);
              });
            }
            sleep_for(1h);
          });
        });
        settle();
        s.cancel();
        EXPECT_EQ(stopped, 5);
      },
      fake_time);
}

TEST_F(stop_token_test, one_that_was_asked_to_go_before_gets_a_stopped_token) {
  ramie::run([&](scope& s) {
    s.spawn([&] {
      s.cancel();
      EXPECT_TRUE(stop_token().stop_requested());
    });
  });
}

TEST_F(stop_token_test, what_has_ended_stops_nothing_and_its_place_is_used_again) {
  std::stop_token kept;
  ramie::run([&](scope& s) {
    for (int i = 0; i < 1000; ++i) {
      task<void> t = s.spawn([&] { kept = stop_token(); });
      t.join();
      EXPECT_FALSE(t.cancel());
      EXPECT_FALSE(kept.stop_requested());
      EXPECT_FALSE(kept.stop_possible());
    }
  });
}

TEST_F(stop_token_test, a_thread_without_a_task_gets_one_that_never_stops) {
  EXPECT_FALSE(stop_token().stop_possible());
}

TEST_F(stop_token_test, callbacks_may_cancel_and_ask_for_tokens) {
  ramie::run(
      [&](scope& s) {
        std::vector<task<void>> tasks;
        for (std::size_t i = 0; i < 50; ++i) {
          tasks.push_back(s.spawn([&, i] {
            const auto token = stop_token();
            const std::stop_callback next(token, [&] {
              (void)stop_token();
              if (i + 1 < tasks.size()) tasks[i + 1].cancel();
            });
            sleep_for(1h);
          }));
        }
        settle();
        tasks.front().cancel();
        s.join();
        for (const auto& one : tasks) EXPECT_EQ(one.state(), ramie::task_state::cancelled);
      },
      fake_time);
}

}  // namespace
}  // namespace ramie_test
