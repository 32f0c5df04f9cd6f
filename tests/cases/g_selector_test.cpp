// G: selectors and monitors as nio4r has them, and what it does not say.
#include "io/net_world.hpp"

#include <ramie/net.hpp>
#include <ramie/selector.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace net = ramie::net;
using ramie::selector;
using interest = selector::interest;
using monitor = selector::monitor;
using ramie_test::error_of;

// G01
TEST(g, what_is_no_descriptor_and_a_closed_selector_are_refused) {
  selector all;
  for (interest wanted : {interest::read, interest::none}) {
    EXPECT_EQ(error_of([&] { monitor(all, -1, wanted); }), std::errc::bad_file_descriptor);
  }
  EXPECT_TRUE(all.empty());
  auto ends = net::socket_pair();
  all.close();
  EXPECT_TRUE(all.closed());
  EXPECT_EQ(error_of([&] { monitor(all, ends.first.number(), interest::read); }), std::errc::bad_file_descriptor);
}

// G02
TEST(g, a_select_ends_with_its_time_and_at_once_when_something_is_ready) {
  auto ends = net::socket_pair();
  selector all;
  const monitor reads(all, ends.first.number(), interest::read);
  EXPECT_EQ(all.select(100us), 0U);
  ends.second.write_all("x");
  EXPECT_EQ(all.select(), 1U);
  EXPECT_THROW(all.select(-1ns), std::invalid_argument);
}

// G03
TEST(g, a_wakeup_from_a_thread_ends_it_with_nothing_and_a_closed_one_is_refused) {
  selector all;
  std::thread other([&] { all.wakeup(); });
  EXPECT_EQ(all.select(), 0U);
  other.join();
  all.close();
  EXPECT_EQ(error_of([&] { all.select(0ms); }), std::errc::bad_file_descriptor);
}

// G04
TEST(g, the_callback_sees_those_that_are_ready_and_no_others) {
  auto one = net::socket_pair(), two = net::socket_pair(), silent = net::socket_pair();
  selector all;
  int first = 1, second = 2, third = 3;
  const monitor a(all, one.first.number(), interest::read, &first), b(all, two.first.number(), interest::read, &second),
      c(all, silent.first.number(), interest::read, &third);
  one.second.write_all("x");
  two.second.write_all("x");
  int sum = 0;
  EXPECT_EQ(all.select(1s, [&](monitor& ready) { sum += *static_cast<int*>(ready.value); }), 2U);
  EXPECT_EQ(sum, 3);
}

// G05
TEST(g, a_peer_that_closes_while_it_is_selected_makes_it_readable) {
  auto ends = net::socket_pair();
  selector all;
  const monitor reads(all, ends.first.number(), interest::read);
  std::thread other([&] {
    std::this_thread::sleep_for(2ms);
    ends.second.close();
  });
  EXPECT_EQ(all.select(), 1U);
  EXPECT_TRUE(reads.is_readable());
  other.join();
}

// G06
TEST(g, one_that_was_taken_out_may_come_again_also_after_it_was_closed) {
  auto ends = net::socket_pair();
  const int number = ends.first.number();
  selector all;
  monitor before(all, number, interest::read);
  EXPECT_TRUE(all.has(number));
  before.close();
  before.close();
  EXPECT_FALSE(all.has(number));
  EXPECT_TRUE(all.empty());
  ends.second.write_all("x");
  monitor again(all, number, interest::read);
  EXPECT_EQ(all.select(), 1U);
  EXPECT_TRUE(again.is_readable());
  EXPECT_FALSE(before.is_readable());
  ends.first.close();
  again.close();
  EXPECT_TRUE(all.empty());
}

// G07
TEST(g, interests_are_added_taken_away_and_the_same_twice_is_once) {
  auto ends = net::socket_pair();
  selector all;
  monitor one(all, ends.first.number(), interest::read);
  EXPECT_EQ(one.interests(), interest::read);
  one.add_interest(interest::write);
  one.add_interest(interest::write);
  EXPECT_EQ(one.interests(), interest::both);
  EXPECT_EQ(all.select(), 1U);
  EXPECT_EQ(one.readiness(), interest::write);
  one.remove_interest(interest::write);
  one.remove_interest(interest::write);
  EXPECT_EQ(one.interests(), interest::read);
  EXPECT_EQ(all.select(0ms), 0U);
  one.set_interests(interest::none);
  ends.second.write_all("x");
  EXPECT_EQ(all.select(1ms), 0U);
  one.set_interests(interest::both);
  EXPECT_EQ(all.select(), 1U);
  EXPECT_EQ(one.readiness(), interest::both);
  one.close();
  EXPECT_EQ(error_of([&] { one.add_interest(interest::read); }), std::errc::bad_file_descriptor);
}

// G08
TEST(g, readiness_stays_after_a_close_in_the_callback_and_monitors_outlive_their_selector) {
  auto ends = net::socket_pair();
  ends.second.write_all("x");
  std::optional<selector> all;
  all.emplace();
  monitor one(*all, ends.first.number(), interest::both), other(*all, ends.first.number(), interest::both);
  int visited = 0;
  EXPECT_EQ(all->select(1s,
                        [&](monitor& ready) {
                          ++visited;
                          (&ready == &one ? other : one).close();  // it would have been the next
                          ends.first.close();
                          EXPECT_EQ(ready.readiness(), interest::both);
                        }),
            1U);
  EXPECT_EQ(visited, 1);
  all->close();
  EXPECT_TRUE(one.closed() && other.closed());
  one.close();
  all.reset();
}

TEST(g, one_that_is_closed_under_a_task_that_selects_wakes_it) {
  ramie::run([](ramie::scope& s) {
    auto ends = net::pipe_pair();
    for (const bool limited : {false, true}) {
      selector all;
      monitor reads(all, ends.first.number(), interest::read);
      auto selects = s.spawn([&] { return error_of([&] { limited ? all.select(10s) : all.select(); }); });
      ramie_test::let_others_wait();
      all.close();
      EXPECT_EQ(selects.get(), std::errc::operation_canceled);
      EXPECT_EQ(error_of([&] { all.select(); }), std::errc::bad_file_descriptor);
    }
  });
}

TEST(g, a_callback_that_throws_or_selects_again_loses_no_readiness) {
  auto one = net::pipe_pair(), two = net::pipe_pair();
  one.second.write_all("x");
  two.second.write_all("x");
  selector all;
  monitor first(all, one.first.number(), interest::read);
  monitor second(all, two.first.number(), interest::read);
  EXPECT_THROW(all.select({}, [](monitor&) { throw std::runtime_error("in a callback"); }), std::runtime_error);
  EXPECT_EQ(all.select(), 2U);
  std::size_t inside = 0;
  EXPECT_GE(all.select({}, [&](monitor&) { inside += all.select(0ms); }), 1U);
  EXPECT_GE(inside, 2U);
  EXPECT_EQ(all.select(), 2U);
}

}  // namespace
