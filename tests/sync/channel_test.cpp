// Channels between tasks of one thread.
#include "task/task_world.hpp"

#include <ramie/channel.hpp>

#include <cstdio>
#include <memory>
#include <numeric>

namespace ramie_test {
namespace {

using ramie::channel;
using ramie::scope;

class channel_test : public task_world {};

TEST_F(channel_test, values_arrive_in_order_and_the_range_ends_when_it_is_closed_and_empty) {
  channel<int> numbers(2);
  std::vector<int> got;
  ramie::run(
      [&](scope& s) {
        s.spawn([&] {
          for (int i = 0; i < 10; ++i) numbers.send(i);
          numbers.close();
        });
        for (int& n : numbers) got.push_back(n);
      },
      fake_time);
  EXPECT_EQ(got, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_TRUE(numbers.is_closed());
}

TEST_F(channel_test, a_rendezvous_waits_for_its_receiver) {
  channel<int> meet;
  ramie::run(
      [&](scope& s) {
        s.spawn([&] {
          say("sends");
          meet.send(1);
          say("sent");
        });
        settle();
        int two = 2;
        EXPECT_FALSE(meet.try_send(two)) << "a sender waits, no receiver does";
        say("receives");
        EXPECT_EQ(meet.receive(), 1);
      },
      fake_time);
  EXPECT_EQ(said, (words{"sends", "receives", "sent"}));
}

TEST_F(channel_test, a_full_channel_holds_senders_back_and_serves_them_in_order) {
  channel<int> narrow(1);
  ramie::run(
      [&](scope& s) {
        for (int i = 0; i < 4; ++i) {
          s.spawn([&, i] {
            ramie::this_task::no_yield until_done;

            narrow.send(i);
            say("sent " + std::to_string(i));
          });
        }
        settle();
        EXPECT_EQ(narrow.size(), 1u);
        for (int i = 0; i < 4; ++i) EXPECT_EQ(narrow.receive(), i);
      },
      fake_time);
  EXPECT_EQ(said, (words{"sent 0", "sent 1", "sent 2", "sent 3"}));
}

TEST_F(channel_test, an_unbounded_channel_never_waits_to_send) {
  channel<int> all(ramie::unbounded);
  long sum = 0;
  for (int i = 0; i < 1000; ++i) all.send(i);  // on a thread without a scheduler
  all.close();
  for (int n : all) sum += n;
  EXPECT_EQ(sum, 499500);
}

TEST_F(channel_test, closing_a_channel_wakes_every_parked_receiver_exactly_once) {
  channel<int> quiet(4);
  ramie::run(
      [&](scope& s) {
        for (int i = 0; i < 3; ++i) {
          s.spawn([&] { say(quiet.receive() ? "value" : "nothing"); });
        }
        settle();
        quiet.close();
        quiet.close();
      },
      fake_time);
  EXPECT_EQ(said, (words{"nothing", "nothing", "nothing"}));
}

TEST_F(channel_test, closing_refuses_parked_senders_and_what_was_accepted_is_received) {
  channel<std::unique_ptr<int>> narrow(1);
  ramie::run(
      [&](scope& s) {
        narrow.send(std::make_unique<int>(1));
        auto refused = s.spawn([&] { EXPECT_THROW(narrow.send(std::make_unique<int>(2)), ramie::channel_closed); });
        settle();
        narrow.close();
        refused.join();
        EXPECT_EQ(*narrow.receive().value(), 1);
        EXPECT_EQ(narrow.receive(), std::nullopt);
        EXPECT_THROW(narrow.send(nullptr), ramie::channel_closed);
      },
      fake_time);
}

TEST_F(channel_test, a_cancelled_receiver_takes_nothing_and_a_cancelled_sender_sends_nothing) {
  channel<int> meet;
  ramie::run(
      [&](scope& s) {
        auto receiver = s.spawn([&] { meet.receive(); });
        settle();
        receiver.cancel();
        receiver.join();
        int one = 1;
        EXPECT_FALSE(meet.try_send(one));
        auto sender = s.spawn([&] { meet.send(2); });
        settle();
        sender.cancel();
        sender.join();
        EXPECT_EQ(meet.try_receive(), std::nullopt);
      },
      fake_time);
}

TEST_F(channel_test, a_value_that_was_handed_over_as_its_receiver_was_cancelled_is_received) {
  channel<int> meet;
  ramie::run(
      [&](scope& s) {
        auto receiver = s.spawn([&] {
          say("got " + std::to_string(meet.receive().value()));
          ramie::this_task::check();
          say("never");
        });
        settle();
        meet.send(7);
        receiver.cancel();
      },
      fake_time);
  EXPECT_EQ(said, words{"got 7"});
}

TEST_F(channel_test, a_place_that_a_cancelled_sender_waited_for_goes_to_the_next) {
  channel<int> narrow(1);
  ramie::run(
      [&](scope& s) {
        narrow.send(0);
        auto goes = s.spawn([&] { narrow.send(1); });
        s.spawn([&] { narrow.send(2); });
        settle();
        goes.cancel();
        settle();
        EXPECT_EQ(narrow.receive(), 0);
        EXPECT_EQ(narrow.receive(), 2);
      },
      fake_time);
}

TEST_F(channel_test, a_time_limit_around_a_receive) {
  channel<int> quiet;
  ramie::run(
      [&](scope& s) {
        EXPECT_EQ(ramie::try_for(5ms, [&] { return quiet.receive(); }), std::nullopt);
        s.spawn([&] {
          ramie::this_task::sleep_for(1ms);
          quiet.send(3);
        });
        EXPECT_EQ(ramie::try_for(5ms, [&] { return quiet.receive(); }), std::optional(std::optional(3)));
        EXPECT_THROW(ramie::with_timeout(0ms, [&] { return quiet.receive(); }), ramie::timed_out);
      },
      fake_time);
}

TEST_F(channel_test, what_is_left_in_a_channel_is_destroyed_with_it) {
  auto watched = std::make_shared<int>(1);
  {
    channel<std::shared_ptr<int>> some(4);
    some.send(watched);
    some.send(watched);
    EXPECT_EQ(watched.use_count(), 3);
  }
  EXPECT_EQ(watched.use_count(), 1);
}

TEST_F(channel_test, the_ring_wraps_and_grows_without_losing_the_order) {
  channel<int> ring(100);
  int in = 0, out = 0;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < round % 17 && ring.size() < 100; ++i) ring.send(in++);
    for (int i = 0; i < round % 13 && ring.size() != 0; ++i) EXPECT_EQ(ring.receive(), out++);
  }
  ring.close();
  for (int n : ring) EXPECT_EQ(n, out++);
  EXPECT_EQ(in, out);
}

TEST_F(channel_test, who_always_finds_something_lets_others_run_all_the_same) {
  channel<int> busy(1);
  bool other_ran = false;
  ramie::run(
      [&](scope& s) {
        s.spawn([&] { other_ran = true; });
        int rounds = 0;
        while (!other_ran) {
          busy.send(1);
          busy.receive();
          ASSERT_LT(++rounds, 10000);
        }
      },
      fake_time);
}

using channel_death_test = channel_test;

TEST_F(channel_death_test, destroying_one_that_is_waited_for_is_a_failed_check) {
#if defined(__SANITIZE_THREAD__)
  std::printf("skipped: a failed check: ThreadSanitizer allows no threads in a forked child\n");
  GTEST_SKIP();
#endif
  EXPECT_DEATH(ramie::run([&](scope& s) {
                 channel<int> meet;
                 s.spawn([&] { meet.receive(); });
                 settle();
               }),
               "a channel is destroyed while somebody waits on it");
}

}  // namespace
}  // namespace ramie_test
