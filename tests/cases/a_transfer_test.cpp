// Going across: cases A22 to A31.
#include "cases/world.hpp"

#include <stdexcept>
#include <thread>
#include <vector>

namespace cases {
namespace {

class transfer_test : public clean_world {};

// A22: transfer carries no values, so what Ruby's arguments say is written where both see it.
TEST_F(transfer_test, two_fibers_go_back_and_forth_and_the_end_comes_back_to_the_root) {
  std::string log, note;
  fiber* two = nullptr;
  fiber one([&] {
    note = "foo";
    two->transfer();
    log += note;
    note = "ok";
  });
  fiber second([&] {
    EXPECT_EQ(note, "foo");
    note = "baz";
    one.transfer();
    ADD_FAILURE() << "nobody comes back here";
  });
  two = &second;
  one.transfer();
  EXPECT_EQ(log, "baz");
  EXPECT_EQ(note, "ok");
  EXPECT_TRUE(one.done());
  EXPECT_EQ(second.state(), fiber_state::transferred);
}

// A24
TEST_F(transfer_test, nobody_transfers_to_a_root_that_waits_for_a_fiber_it_resumed) {
  fiber_ref root = this_fiber::ref();
  fiber f([&] {
    expect_refusal(fiber_errc::resuming_another, [&] { root.transfer(); });
    this_fiber::suspend();
  });
  EXPECT_TRUE(f.resume());
  EXPECT_FALSE(f.resume());
}

// A24: the second half, with inner fibers that live.
TEST_F(transfer_test, nobody_transfers_to_a_fiber_that_waits_for_another_and_all_stay_usable) {
  std::string log;
  fiber outer, middle, inner, aside;
  aside = fiber([&] {
    expect_refusal(fiber_errc::resuming_another, [&] { outer.transfer(); });
    expect_refusal(fiber_errc::resuming_another, [&] { middle.transfer(); });
    log += 'a';
    inner.transfer();
    log += 'A';
  });
  inner = fiber([&] {
    expect_refusal(fiber_errc::resuming_another, [&] { outer.transfer(); });
    expect_refusal(fiber_errc::resuming_another, [&] { middle.transfer(); });
    aside.transfer();
    log += 'i';
  });
  middle = fiber([&] {
    inner.resume();
    log += 'm';
    this_fiber::suspend();
    log += 'M';
  });
  outer = fiber([&] {
    middle.resume();
    log += 'o';
  });
  EXPECT_FALSE(outer.resume());
  EXPECT_EQ(log, "aimo");
  aside.transfer();
  middle.resume();
  EXPECT_EQ(log, "aimoAM");
  for (const fiber* f : {&outer, &middle, &inner, &aside}) EXPECT_TRUE(f->done());
}

// A26
TEST_F(transfer_test, a_fiber_that_left_by_transfer_is_not_resumed) {
  fiber_ref root = this_fiber::ref();
  bool came_back = false;
  fiber f([&] {
    root.transfer();
    came_back = true;
  });
  f.transfer();
  expect_refusal(fiber_errc::transferred_away, [&] { f.resume(); });
  EXPECT_EQ(f.state(), fiber_state::transferred);
  f.transfer();
  EXPECT_TRUE(came_back);
}

// A26
TEST_F(transfer_test, a_resumed_fiber_that_transferred_away_is_not_resumed_either) {
  fiber first, second;
  second = fiber([&] {
    expect_refusal(fiber_errc::already_resumed, [&] { first.resume(); });
    first.transfer();
  });
  first = fiber([&] {
    second.transfer();
    this_fiber::suspend();
  });
  EXPECT_TRUE(first.resume());
  EXPECT_FALSE(first.resume());
  second.transfer();
  EXPECT_TRUE(second.done());
}

TEST_F(transfer_test, a_fiber_that_left_by_suspend_is_not_transferred_to) {
  fiber f([] { this_fiber::suspend(); });
  f.resume();
  expect_refusal(fiber_errc::awaits_resume, [&] { f.transfer(); });
  EXPECT_FALSE(f.resume());
}

TEST_F(transfer_test, a_fiber_entered_by_transfer_cannot_suspend) {
  bool went_on = false;
  fiber f([&] {
    expect_refusal(fiber_errc::no_resumer, [] { this_fiber::suspend(); });
    went_on = true;
  });
  f.transfer();
  EXPECT_TRUE(went_on);
}

// A27
TEST_F(transfer_test, transfer_to_itself_does_nothing) {
  std::string log;
  fiber* self = nullptr;
  auto body = [&] {
    log += 'a';
    self->transfer();
    this_fiber::ref().transfer();
    log += 'b';
  };
  fiber resumed(body), transferred(body);
  self = &resumed;
  resumed.resume();
  self = &transferred;
  transferred.transfer();
  this_fiber::ref().transfer();  // the root to itself
  EXPECT_EQ(log, "abab");
}

// A28
TEST_F(transfer_test, the_end_of_a_transferred_fiber_skips_who_transferred_to_it) {
  std::string log;
  fiber one([&] { log += '1'; });
  fiber two([&] {
    log += '(';
    one.transfer();
    log += ')';
  });
  two.transfer();
  EXPECT_EQ(log, "(1");
  EXPECT_TRUE(one.done());
  EXPECT_EQ(two.state(), fiber_state::transferred);
  two.transfer();
  EXPECT_EQ(log, "(1)");
  EXPECT_TRUE(two.done());
}

// A29
TEST_F(transfer_test, the_end_of_a_transferred_fiber_comes_back_to_the_innermost_resumed_one) {
  bool ended = false;
  fiber one([&] { ended = true; });
  coroutine<int()> two([&](auto& yield) {
    one.transfer();
    EXPECT_TRUE(ended);
    yield(10);
    return 20;
  });
  EXPECT_EQ(two.resume(), 10);
  EXPECT_EQ(two.resume(), 20);
}

// A30
TEST_F(transfer_test, two_fibers_that_resume_each_other_are_refused_and_nothing_breaks) {
  fiber one, two;
  one = fiber([&] { two.resume(); });
  two = fiber([&] { one.resume(); });
  expect_refusal(fiber_errc::resuming_another, [&] { one.transfer(); });
  EXPECT_TRUE(one.done());
  EXPECT_TRUE(two.done());
}

// A31
TEST_F(transfer_test, a_threads_root_and_a_child_transfer_to_each_other) {
  for (int round = 0; round < 20; ++round) {
    std::vector<int> states;
    std::thread([&states] {
      fiber_ref root = this_fiber::ref();
      fiber child([&] {
        states.push_back(1);
        root.transfer();
        states.push_back(3);
      });
      states.push_back(0);
      child.transfer();
      EXPECT_TRUE(this_fiber::ref() == root);
      states.push_back(2);
      child.transfer();
      EXPECT_TRUE(this_fiber::ref() == root);
      EXPECT_TRUE(child.done());
    }).join();
    EXPECT_EQ(states, (std::vector<int>{0, 1, 2, 3}));
  }
}

TEST_F(transfer_test, what_escapes_a_transferred_fiber_is_thrown_where_control_left_the_chain) {
  std::string log;
  fiber one([] { throw std::runtime_error("out"); });
  fiber two([&] {
    mark m(log, 'x');
    one.transfer();
  });
  EXPECT_THROW(two.transfer(), std::runtime_error);
  EXPECT_TRUE(one.done());
  EXPECT_EQ(two.state(), fiber_state::transferred);
  EXPECT_EQ(log, "");
  two.transfer();
  EXPECT_EQ(log, "x");
}

TEST_F(transfer_test, a_ring_of_fibers_passes_control_around_ten_thousand_times) {
  constexpr std::size_t count = 7;
  std::vector<fiber> ring(count);
  std::vector<int> turns(count);
  fiber_ref root = this_fiber::ref();
  int left = 10'000;
  for (std::size_t i = 0; i < count; ++i) {
    ring[i] = fiber([&, i] {
      for (;;) {
        ++turns[i];
        if (--left == 0) {
          root.transfer();
        } else {
          ring[(i + 1) % count].transfer();
        }
      }
    });
  }
  ring[0].transfer();
  int total = 0;
  for (int n : turns) total += n;
  EXPECT_EQ(total, 10'000);
}

TEST_F(transfer_test, a_fiber_resumed_outside_of_the_roots_chain_comes_back_to_who_resumed_it) {
  // root transfers to a; a resumes b; b transfers to the root; the root goes back to b, b ends into a, a into the root.
  std::string log;
  fiber_ref root = this_fiber::ref();
  fiber a, b;
  b = fiber([&] {
    log += 'b';
    root.transfer();
    log += 'B';
  });
  a = fiber([&] {
    log += 'a';
    EXPECT_FALSE(b.resume());
    log += 'A';
  });
  a.transfer();
  EXPECT_EQ(log, "ab");
  EXPECT_EQ(a.state(), fiber_state::resuming);
  EXPECT_EQ(b.state(), fiber_state::transferred);
  expect_refusal(fiber_errc::resuming_another, [&] { a.transfer(); });
  expect_refusal(fiber_errc::already_resumed, [&] { b.resume(); });
  b.transfer();
  EXPECT_EQ(log, "abBA");
}

// Destroying is not transferring: whoever lets the handle go continues after it.
TEST_F(transfer_test, a_transferred_fiber_that_destroys_another_one_goes_on_itself) {
  std::string log;
  fiber_ref root = this_fiber::ref();
  fiber victim([&] {
    mark m(log, 'v');
    root.transfer();
  });
  victim.transfer();
  fiber destroyer([&] {
    victim = fiber();
    log += 'd';
    root.transfer();
    log += 'e';
  });
  destroyer.transfer();
  EXPECT_EQ(log, "vd");
  destroyer.transfer();
  EXPECT_EQ(log, "vde");
}

}  // namespace
}  // namespace cases
