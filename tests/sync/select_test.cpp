// Waiting for the first of several things.
#include "task/task_world.hpp"

#include <ramie/select.hpp>

#include <array>
#include <thread>

namespace ramie_test {
namespace {

using ramie::channel;
using ramie::on;
using ramie::on_send;
using ramie::on_timeout;
using ramie::otherwise;
using ramie::scope;
using ramie::select;
using ramie::this_task::sleep_for;

class select_test : public task_world {};

TEST_F(select_test, what_can_happen_at_once_does_and_its_number_is_returned) {
  channel<int> empty, full(1);
  full.send(5);
  int got = 0;
  EXPECT_EQ(select(on(empty, [](int) { FAIL(); }), on(full, [&](int n) { got = n; })), 1u);
  EXPECT_EQ(got, 5);
  EXPECT_EQ(select(on(empty, [](int) { FAIL(); }), on_send(full, 6, [] {})), 1u);
  EXPECT_EQ(full.receive(), 6);
}

TEST_F(select_test, otherwise_is_for_when_nothing_can_happen) {
  channel<int> empty;
  EXPECT_EQ(select(on(empty, [](int) { FAIL(); }), otherwise([&] { say("nothing"); })), 1u);
  EXPECT_EQ(said, words{"nothing"});
}

TEST_F(select_test, it_waits_for_the_first_and_leaves_the_others_as_they_were) {
  channel<int> a, b;
  ramie::event e;
  ramie::run(
      [&](scope& s) {
        s.spawn([&] {
          EXPECT_EQ(select(on(a, [](int) { FAIL(); }), on(b, [&](int n) { say("b " + std::to_string(n)); }),
                           on(e, [] { FAIL(); })),
                    1u);
        });
        settle();
        b.send(2);
        int one = 1;
        EXPECT_FALSE(a.try_send(one)) << "its waiter there is over";
        e.set();
      },
      fake_time);
  EXPECT_EQ(said, words{"b 2"});
}

TEST_F(select_test, an_event_a_task_and_a_time_limit_are_arms) {
  channel<int> quiet;
  ramie::event e;
  ramie::run(
      [&](scope& s) {
        ramie::task<int> t = s.spawn([] {
          sleep_for(10ms);
          return 42;
        });
        const auto first = [&] {
          return select(on(quiet, [](int) {}), on(e, [&] { e.reset(); }),
                        on(t, [&](int n) { say("task " + std::to_string(n)); }), on_timeout(5ms, [&] { say("time"); }));
        };
        EXPECT_EQ(first(), 3u);
        s.spawn([&] { e.set(); });
        EXPECT_EQ(first(), 1u);
        EXPECT_EQ(select(on(quiet, [](int) {}), on(t, [&](int n) { say("task " + std::to_string(n)); })), 1u);
        EXPECT_TRUE(t.done());
        EXPECT_EQ(select(on(t, [&] { say("has ended"); }), on(quiet, [](int) {})), 0u);
      },
      fake_time);
  EXPECT_EQ(said, (words{"time", "task 42", "has ended"}));
}

TEST_F(select_test, the_shortest_of_several_limits_counts) {
  channel<int> quiet;
  ramie::run(
      [&] {
        EXPECT_EQ(select(on_timeout(50ms, [] {}), on_timeout(5ms, [] {}), on(quiet, [](int) {})), 1u);
        EXPECT_EQ(ramie::this_task::now().time_since_epoch(), 5ms);
      },
      fake_time);
}

TEST_F(select_test, what_a_failed_task_threw_comes_out_where_its_result_is_asked_for) {
  ramie::run(
      [&](scope&) {
        EXPECT_THROW(ramie::with_scope([&](scope& s) {
                       auto t = s.spawn([]() -> int { throw std::runtime_error("no"); });
                       select(on(t, [](int) { FAIL(); }));
                     }),
                     std::runtime_error);
      },
      fake_time);
}

TEST_F(select_test, a_channel_that_closes_is_told_to_a_body_that_takes_an_optional) {
  channel<int> a, b;
  ramie::run(
      [&](scope& s) {
        auto t = s.spawn([&] {
          select(on(a, [](int) { FAIL(); }), on(b, [&](std::optional<int> n) { say(n ? "value" : "closed"); }));
        });
        settle();
        a.close();  // passed over: the wait goes on
        settle();
        EXPECT_FALSE(t.done());
        b.close();
        t.join();
        EXPECT_THROW(select(on(a, [](int) {})), std::logic_error);
      },
      fake_time);
  EXPECT_EQ(said, words{"closed"});
}

TEST_F(select_test, when_all_that_it_waits_for_is_closed_it_throws) {
  channel<int> a, b;
  ramie::run(
      [&](scope& s) {
        auto t = s.spawn([&] { EXPECT_THROW(select(on(a, [](int) {}), on(b, [](int) {})), std::logic_error); });
        settle();
        a.close();
        settle();
        EXPECT_FALSE(t.done());
        b.close();
      },
      fake_time);
}

TEST_F(select_test, sending_on_a_channel_that_closes_throws) {
  channel<int> out, in;
  ramie::run(
      [&](scope& s) {
        s.spawn([&] { EXPECT_THROW(select(on_send(out, 1, [] {}), on(in, [](int) {})), ramie::channel_closed); });
        settle();
        out.close();
        settle();
        int value = 1;
        EXPECT_FALSE(in.try_send(value));
      },
      fake_time);
}

TEST_F(select_test, two_selections_meet_and_exactly_one_value_changes_hands) {
  channel<int> a, b;
  int sent = 0, received = 0;
  ramie::run(
      [&](scope& s) {
        s.spawn([&] { select(on_send(a, 1, [&] { ++sent; }), on_send(b, 2, [&] { ++sent; })); });
        s.spawn([&] { select(on(a, [&](int) { ++received; }), on(b, [&](int) { ++received; })); });
      },
      fake_time);
  EXPECT_EQ(sent, 1);
  EXPECT_EQ(received, 1);
}

TEST_F(select_test, one_that_both_sends_and_receives_on_a_channel_does_not_meet_itself) {
  channel<int> c;
  ramie::run(
      [&](scope& s) {
        s.spawn([&] { select(on(c, [&](int n) { say("got " + std::to_string(n)); }), on_send(c, 1, [] {})); });
        s.spawn([&] { select(on(c, [&](int n) { say("got " + std::to_string(n)); }), on_send(c, 2, [] {})); });
      },
      fake_time);
  EXPECT_EQ(said.size(), 1u);
}

TEST_F(select_test, a_cancelled_selection_leaves_all_lists) {
  channel<int> a, b;
  ramie::event e;
  ramie::run(
      [&](scope& s) {
        auto t = s.spawn([&] { select(on(a, [](int) {}), on_send(b, 1, [] {}), on(e, [] {})); });
        settle();
        t.cancel();
        t.join();
        EXPECT_EQ(t.state(), ramie::task_state::cancelled);
        int one = 1;
        EXPECT_FALSE(a.try_send(one));
        EXPECT_EQ(b.try_receive(), std::nullopt);
        e.set();
      },
      fake_time);
}

TEST_F(select_test, what_happened_as_it_was_cancelled_has_happened) {
  channel<int> a, b;
  ramie::run(
      [&](scope& s) {
        auto t = s.spawn([&] { select(on(a, [&](int n) { say(std::to_string(n)); }), on(b, [](int) {})); });
        settle();
        a.send(3);
        t.cancel();
      },
      fake_time);
  EXPECT_EQ(said, words{"3"});
}

TEST_F(select_test, a_cancellation_and_a_time_limit_at_once_are_one_end) {
  channel<int> a;
  ramie::run(
      [&](scope& s) {
        auto t = s.spawn([&] { select(on(a, [](int) {}), on_timeout(5ms, [&] { say("time"); })); });
        sleep_for(5ms);
        t.cancel();
        t.join();
        int one = 1;
        EXPECT_FALSE(a.try_send(one));
      },
      fake_time);
}

TEST_F(select_test, arms_that_can_always_happen_get_equal_shares) {
  channel<int> a(1), b(1), c(1);
  std::array<int, 3> counts{};
  for (int i = 0; i < 300; ++i) {
    for (auto* one : {&a, &b, &c}) {
      int value = 0;
      (void)one->try_send(value);
    }
    ++counts[select(on(a, [](int) {}), on(b, [](int) {}), on(c, [](int) {}))];
  }
  EXPECT_EQ(counts, (std::array{100, 100, 100}));
}

TEST_F(select_test, a_body_may_throw_and_may_select_again) {
  channel<int> a(2);
  a.send(1);
  a.send(2);
  EXPECT_THROW(select(on(a, [](int) { throw 7; })), int);
  select(on(a, [&](int n) { select(on_send(a, n + 1, [] {})); }));
  EXPECT_EQ(a.receive(), 3);
}

TEST_F(select_test, a_thread_without_a_scheduler_waits_with_a_limit) {
  channel<int> a, b;
  EXPECT_EQ(select(on(a, [](int) {}), on_timeout(1ms, [] {})), 1u);
  std::thread other([&] { b.send(9); });
  int got = 0;
  EXPECT_EQ(select(on(a, [](int) {}), on(b, [&](int n) { got = n; }), on_timeout(1h, [] {})), 1u);
  EXPECT_EQ(got, 9);
  other.join();
}

TEST_F(select_test, a_task_of_another_thread_is_refused_in_words) {
  ramie::task<void> t;
  ramie::run([&](scope& s) {
    t = s.spawn([] { sleep_for(1ms); });
    std::thread other([&] { EXPECT_THROW(select(on(t, [] {})), std::logic_error); });
    other.join();
  });
}

}  // namespace
}  // namespace ramie_test
