// Semaphores and throttles.
#include "task/task_world.hpp"

#include <ramie/semaphore.hpp>
#include <ramie/throttle.hpp>

#include <stdexcept>

namespace ramie_test {
namespace {

using ramie::scope;
using ramie::this_task::sleep_for;

class semaphore_test : public task_world {};

TEST_F(semaphore_test, never_more_than_the_limit_are_inside_and_they_enter_in_order) {
  ramie::semaphore places(4);
  int inside = 0, most = 0;
  std::vector<int> order;
  ramie::run(
      [&](scope& s) {
        for (int i = 0; i < 10; ++i) {
          s.spawn([&, i] {
            ramie::this_task::no_yield until_done;
            ramie::permit one(places);
            order.push_back(i);
            most = std::max(most, ++inside);
            sleep_for(1ms);
            --inside;
          });
        }
      },
      fake_time);
  EXPECT_EQ(most, 4);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(places.taken(), 0u);
}

TEST_F(semaphore_test, one_that_asks_for_many_is_not_passed_by_those_that_ask_for_few) {
  ramie::semaphore places(3);
  ramie::run(
      [&](scope& s) {
        places.acquire(2);
        s.spawn([&] {
          ramie::permit all(places, 3);
          say("three");
        });
        s.spawn([&] {
          ramie::permit one(places);
          say("one");
        });
        settle();
        EXPECT_EQ(places.waiting(), 2u);
        EXPECT_FALSE(places.try_acquire()) << "one is left, but others came first";
        places.release(2);
      },
      fake_time);
  EXPECT_EQ(said, (words{"three", "one"}));
}

TEST_F(semaphore_test, when_one_that_asked_for_many_is_cancelled_those_behind_it_go_on) {
  ramie::semaphore places(3);
  ramie::run(
      [&](scope& s) {
        places.acquire(2);
        auto many = s.spawn([&] { places.acquire(3); });
        auto few = s.spawn([&] {
          ramie::permit one(places);
          say("one");
        });
        settle();
        many.cancel();
        few.join();
        places.release(2);
      },
      fake_time);
  EXPECT_EQ(said, words{"one"});
  EXPECT_EQ(places.taken(), 0u);
  EXPECT_EQ(places.waiting(), 0u);
}

TEST_F(semaphore_test, a_permit_that_comes_with_a_cancellation_is_taken) {
  ramie::semaphore places(1);
  ramie::run(
      [&](scope& s) {
        places.acquire();
        auto t = s.spawn([&] {
          ramie::permit one(places);
          say("inside");
          ramie::this_task::check();
          say("never");
        });
        settle();
        places.release();
        t.cancel();
      },
      fake_time);
  EXPECT_EQ(said, words{"inside"});
  EXPECT_EQ(places.taken(), 0u);
}

TEST_F(semaphore_test, a_raised_limit_lets_in_and_a_lowered_one_waits_until_enough_was_given_back) {
  ramie::semaphore places(1);
  ramie::run(
      [&](scope& s) {
        places.acquire();
        auto second = s.spawn([&] { places.acquire(); });
        settle();
        EXPECT_FALSE(second.done());
        places.set_limit(2);
        second.join();
        EXPECT_EQ(places.taken(), 2u);
        places.set_limit(1);
        auto third = s.spawn([&] { places.acquire(); });
        settle();
        places.release();
        settle();
        EXPECT_FALSE(third.done()) << "one is still taken, and one is the limit";
        places.release();
        third.join();
        EXPECT_EQ(places.taken(), 1u);
        places.release();
      },
      fake_time);
}

TEST_F(semaphore_test, more_than_the_limit_ever_was_is_refused_in_numbers) {
  ramie::semaphore places(2);
  try {
    places.acquire(3);
    FAIL();
  } catch (const std::invalid_argument& refused) {
    EXPECT_STREQ(refused.what(), "semaphore: 3 permits are asked for, the limit is 2; set_limit() raises it");
  }
  places.set_limit(0);
  EXPECT_FALSE(places.try_acquire(2));
  places.set_limit(5);
  places.acquire(3);
  places.release(3);
}

TEST_F(semaphore_test, a_throttle_gives_a_turn_in_each_span_and_its_burst_at_once) {
  ramie::throttle even(10, 1s);
  ramie::throttle bursts(10, 1s, {.burst = 3});
  ramie::run(
      [&] {
        const auto begin = ramie::this_task::now();
        std::vector<std::int64_t> at_ms;
        for (int i = 0; i < 4; ++i) {
          even.wait();
          at_ms.push_back((ramie::this_task::now() - begin) / 1ms);
        }
        EXPECT_EQ(at_ms, (std::vector<std::int64_t>{0, 100, 200, 300}));
        EXPECT_FALSE(even.try_now());
        at_ms.clear();
        const auto later = ramie::this_task::now();
        for (int i = 0; i < 5; ++i) {
          bursts.wait();
          at_ms.push_back((ramie::this_task::now() - later) / 1ms);
        }
        EXPECT_EQ(at_ms, (std::vector<std::int64_t>{0, 0, 0, 100, 200}));
        sleep_for(1h);
        int at_once = 0;
        while (bursts.try_now()) ++at_once;
        EXPECT_EQ(at_once, 3) << "an hour of silence counts no more than the burst";
      },
      fake_time);
}

TEST_F(semaphore_test, a_cancelled_turn_is_the_next_ones) {
  ramie::throttle turns(1, 1s);
  ramie::run(
      [&](scope& s) {
        const auto begin = ramie::this_task::now();
        turns.wait();
        auto goes = s.spawn([&] { turns.wait(); });
        auto stays = s.spawn([&] {
          turns.wait();
          EXPECT_EQ((ramie::this_task::now() - begin) / 1ms, 1000);
        });
        sleep_for(500ms);
        goes.cancel();
        stays.join();
      },
      fake_time);
}

TEST_F(semaphore_test, a_throttle_without_turns_or_time_is_refused) {
  EXPECT_THROW(ramie::throttle(0, 1s), std::invalid_argument);
  EXPECT_THROW(ramie::throttle(1, 0s), std::invalid_argument);
}

TEST_F(semaphore_test, a_throttle_takes_any_number_of_turns_any_burst_and_any_span) {
  ramie::run(
      [&] {
        const auto start = ramie::this_task::now();
        ramie::throttle open(1, 1s, {.burst = SIZE_MAX}), quick(SIZE_MAX, 1s, {.burst = SIZE_MAX});
        for (int i = 0; i < 1000; ++i) {
          open.wait();
          quick.wait();
        }
        EXPECT_EQ(ramie::this_task::now(), start);
        ramie::throttle once(1, std::chrono::nanoseconds::max());
        EXPECT_TRUE(once.try_now());
        EXPECT_FALSE(ramie::try_for(24h, [&] { once.wait(); }));
      },
      fake_time);
}

TEST_F(semaphore_test, a_refusal_says_what_was_asked_for_and_what_to_do) {
  ramie::semaphore permits(2);
  permits.set_limit(0);
  try {
    permits.acquire(3);
    ADD_FAILURE();
  } catch (const std::invalid_argument& refused) {
    EXPECT_STREQ(refused.what(),
                 "semaphore: 3 permits are asked for, the limit is 0 and never was more than 2; set_limit() raises it");
  }
}

}  // namespace
}  // namespace ramie_test
