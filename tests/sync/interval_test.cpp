// Intervals: on the grid of their start, whatever happens between.
#include "task/task_world.hpp"

#include <ramie/interval.hpp>
#include <ramie/select.hpp>

#include <algorithm>

namespace ramie_test {
namespace {

using ramie::interval;
using ramie::scope;
using ramie::this_task::now;
using ramie::this_task::sleep_for;

class interval_test : public task_world {};

TEST_F(interval_test, each_wait_ends_at_the_next_multiple_of_the_period) {
  ramie::run(
      [&] {
        const auto start = now();
        interval every(10ms);
        for (int i = 1; i <= 1000; ++i) {
          EXPECT_EQ(every.wait(), 1U);
          ASSERT_EQ(now() - start, i * 10ms);
          sleep_for(std::chrono::microseconds(i % 10000));  // work that takes part of a period
        }
        EXPECT_EQ(every.period(), 10ms);
      },
      fake_time);
}

TEST_F(interval_test, missed_periods_are_counted_once_and_the_beat_stays) {
  ramie::run(
      [&] {
        const auto start = now();
        interval every(10ms);
        sleep_for(35ms);
        EXPECT_EQ(every.wait(), 3U);  // at once
        EXPECT_EQ(now() - start, 35ms);
        EXPECT_EQ(every.wait(), 1U);
        EXPECT_EQ(now() - start, 40ms);
        EXPECT_EQ(every.count(), 0U);
        sleep_for(10ms);
        EXPECT_EQ(every.count(), 1U);
        EXPECT_EQ(every.wait(), 1U);
        EXPECT_EQ(now() - start, 60ms);
        sleep_for(3ms);
        every.restart();
        EXPECT_EQ(every.wait(), 1U);
        EXPECT_EQ(now() - start, 73ms);
      },
      fake_time);
}

TEST_F(interval_test, a_wait_that_is_called_off_counts_nothing) {
  ramie::run(
      [&] {
        const auto start = now();
        interval every(10ms);
        EXPECT_FALSE(ramie::try_for(4ms, [&] { (void)every.wait(); }));
        EXPECT_EQ(every.wait(), 1U);
        EXPECT_EQ(now() - start, 10ms);
      },
      fake_time);
}

TEST_F(interval_test, an_interval_is_an_arm_of_a_selection) {
  ramie::run(
      [&](scope& s) {
        ramie::channel<int> jobs(1);
        s.spawn([&] {
          for (int i = 0; i < 3; ++i) {
            sleep_for(15ms);
            jobs.send(i);
          }
          jobs.close();
        });
        const auto start = now();
        interval every(10ms);
        bool open = true;
        while (open) {
          ramie::select(ramie::on(jobs,
                                  [&](std::optional<int> job) {
                                    open = job.has_value();
                                    if (open) say("job");
                                  }),
                        ramie::on_tick(every, [&](std::uint64_t periods) {
                          EXPECT_EQ(periods, 1U);
                          EXPECT_EQ((now() - start) % 10ms, 0ms);
                          say("tick");
                        }));
        }
        EXPECT_EQ(std::count(said.begin(), said.end(), "job"), 3);
        EXPECT_GE(std::count(said.begin(), said.end(), "tick"), 3);
        EXPECT_LE(std::count(said.begin(), said.end(), "tick"), 4);
      },
      fake_time);
}

TEST_F(interval_test, in_a_selection_missed_periods_are_counted_and_others_have_their_turn) {
  ramie::run(
      [&] {
        ramie::event always;
        always.set();
        interval every(1ms), slow(1h);
        int ticks = 0, events = 0;
        std::uint64_t periods = 0;
        for (int i = 0; i < 20; ++i) {
          sleep_for(3ms);
          ramie::select(ramie::on_tick(every,
                                       [&](std::uint64_t ended) {
                                         ++ticks;
                                         periods += ended;
                                       }),
                        ramie::on(always, [&] { ++events; }), ramie::on_tick(slow, [] { ADD_FAILURE(); }));
        }
        EXPECT_GE(ticks, 5);
        EXPECT_GE(events, 5);
        EXPECT_EQ(periods + every.count(), 60U);
      },
      fake_time);
}

TEST_F(interval_test, a_thread_without_a_scheduler_waits_too) {
  const auto start = std::chrono::steady_clock::now();
  interval every(2ms);
  std::uint64_t periods = 0;
  for (int i = 0; i < 3; ++i) periods += every.wait();
  const auto lasted = std::chrono::steady_clock::now() - start;
  EXPECT_GE(lasted, 2ms * periods);
  bool ticked = false;
  ramie::select(ramie::on_tick(every, [&] { ticked = true; }));
  EXPECT_TRUE(ticked);
}

TEST_F(interval_test, a_period_of_nothing_is_refused_and_one_of_centuries_is_not) {
  EXPECT_THROW(interval(0ns), std::invalid_argument);
  EXPECT_THROW(interval(-1s), std::invalid_argument);
  ramie::run(
      [] {
        interval never(std::chrono::nanoseconds::max());
        EXPECT_FALSE(ramie::try_for(1h, [&] { (void)never.wait(); }));
        EXPECT_EQ(never.count(), 0U);
      },
      fake_time);
}

}  // namespace
}  // namespace ramie_test
