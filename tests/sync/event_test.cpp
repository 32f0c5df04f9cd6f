// Events, latches and barriers.
#include "task/task_world.hpp"

#include <ramie/event.hpp>

#include <cstdio>

namespace ramie_test {
namespace {

using ramie::scope;

class event_test : public task_world {};

TEST_F(event_test, setting_it_wakes_all_in_order_and_it_stays_set_until_reset) {
  ramie::event happened;
  ramie::run(
      [&](scope& s) {
        for (const char* name : {"a", "b", "c"}) {
          s.spawn([&, name] {
            happened.wait();
            say(name);
          });
        }
        settle();
        happened.set();
        happened.set();
        say("set");
        s.join();
        happened.wait();
        EXPECT_TRUE(happened.is_set());
        happened.reset();
        EXPECT_FALSE(ramie::try_for(1ms, [&] { happened.wait(); }));
      },
      fake_time);
  EXPECT_EQ(said, (words{"set", "a", "b", "c"}));
}

TEST_F(event_test, set_and_reset_at_once_still_wakes_those_that_waited) {
  ramie::event pulse;
  ramie::run(
      [&](scope& s) {
        s.spawn([&] {
          pulse.wait();
          say("woken");
        });
        settle();
        pulse.set();
        pulse.reset();
      },
      fake_time);
  EXPECT_EQ(said, words{"woken"});
}

TEST_F(event_test, some_waiters_time_out_and_the_others_hear_it) {
  ramie::event answer;
  ramie::run(
      [&](scope& s) {
        for (int limit_ms : {5, 50}) {
          s.spawn([&, limit_ms] { say(ramie::try_for(limit_ms * 1ms, [&] { answer.wait(); }) ? "heard" : "gave up"); });
        }
        ramie::this_task::sleep_for(20ms);
        answer.set();
      },
      fake_time);
  EXPECT_EQ(said, (words{"gave up", "heard"}));
}

TEST_F(event_test, a_latch_opens_once_at_zero) {
  ramie::latch done(3);
  ramie::run(
      [&](scope& s) {
        auto waits = s.spawn([&] { done.wait(); });
        settle();
        done.count_down(2);
        EXPECT_FALSE(done.try_wait());
        settle();
        EXPECT_FALSE(waits.done());
        done.arrive_and_wait();
        waits.join();
        EXPECT_TRUE(done.try_wait());
      },
      fake_time);
  EXPECT_TRUE(ramie::latch(0).try_wait());
}

TEST_F(event_test, parties_meet_again_and_again_and_the_last_to_come_is_told) {
  ramie::barrier meeting(3);
  int last = 0;
  ramie::run(
      [&](scope& s) {
        for (const char* name : {"a", "b", "c"}) {
          s.spawn([&, name] {
            ramie::this_task::no_yield until_done;
            for (int round = 0; round < 2; ++round) {
              say(name);
              if (meeting.arrive_and_wait()) ++last;
            }
          });
        }
      },
      fake_time);
  EXPECT_EQ(last, 2);
  EXPECT_EQ(said, (words{"a", "b", "c", "c", "a", "b"}));
}

TEST_F(event_test, a_cancelled_party_does_not_count_as_having_come) {
  ramie::barrier meeting(2);
  ramie::run(
      [&](scope& s) {
        auto gone = s.spawn([&] { meeting.arrive_and_wait(); });
        settle();
        EXPECT_EQ(meeting.waiting(), 1u);
        gone.cancel();
        gone.join();
        EXPECT_EQ(meeting.waiting(), 0u);
        auto other = s.spawn([&] { meeting.arrive_and_wait(); });
        settle();
        EXPECT_FALSE(other.done());
        EXPECT_TRUE(meeting.arrive_and_wait());
      },
      fake_time);
}

TEST_F(event_test, a_task_that_waits_for_an_event_nobody_sets_is_a_deadlock_named_by_it) {
#ifdef __SANITIZE_THREAD__
  std::puts("skipped: deadlock: the sanitizer's own thread counts as one that may wake");
  GTEST_SKIP();
#endif
  ramie::event never;
  try {
    ramie::run([&] { never.wait(); });
    FAIL();
  } catch (const ramie::deadlock& found) {
    EXPECT_NE(std::string(found.what()).find("event"), std::string::npos) << found.what();
  }
}

}  // namespace
}  // namespace ramie_test
