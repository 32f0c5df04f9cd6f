// coroutine<Out(In...)> beyond the cases: odd values, odd ways to leave, and steps that bring no value.
#include "cases/world.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace cases {
namespace {

class value_test : public clean_world {};

TEST_F(value_test, an_empty_coroutine_refuses_and_answers) {
  coroutine<int(int)> empty;
  EXPECT_TRUE(empty.done());
  expect_refusal(fiber_errc::no_fiber, [&] { empty.resume(1); });
  expect_refusal(fiber_errc::no_fiber, [&] { empty.raise(make_error<int>(1)); });
  EXPECT_FALSE(empty.kill());
  coroutine<int(int)> full([](auto&, int x) { return x; });
  coroutine<int(int)> moved = std::move(full);
  expect_refusal(fiber_errc::no_fiber, [&] { full.resume(1); });
  EXPECT_EQ(moved.resume(3), 3);
  expect_refusal(fiber_errc::iteration_over, [&] { moved.resume(1); });
  expect_refusal(fiber_errc::iteration_over, [&] { moved.raise(make_error<int>(1)); });
  EXPECT_FALSE(moved.kill());
}

TEST_F(value_test, values_without_a_default_constructor_or_assignment_pass) {
  struct picky {
    const int value;
    explicit picky(int v) : value(v) {}
  };
  coroutine<picky(picky)> c([](auto& yield, picky first) {
    picky second = yield(picky(first.value + 1));
    return picky(second.value + 2);
  });
  EXPECT_EQ(c.resume(picky(1)).value, 2);
  EXPECT_EQ(c.resume(picky(10)).value, 12);
}

TEST_F(value_test, values_are_destroyed_when_the_coroutine_is_dropped_between_steps) {
  auto held = std::make_shared<int>(0);
  {
    coroutine<std::shared_ptr<int>(std::shared_ptr<int>)> c([](auto& yield, std::shared_ptr<int> in) {
      for (;;) in = yield(in);
      return in;
    });
    c.resume(held);
    c.resume(held);
    EXPECT_GT(held.use_count(), 1);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(value_test, a_refused_resume_leaves_the_coroutine_as_it_was) {
  coroutine<int(int)>* self = nullptr;
  coroutine<int(int)> c([&](auto& yield, int first) {
    expect_refusal(fiber_errc::resumes_itself, [&] { self->resume(100); });
    int second = yield(first);
    return second;
  });
  self = &c;
  EXPECT_EQ(c.resume(1), 1);
  EXPECT_EQ(c.resume(2), 2);
}

// Ruby's resumer gets nil; a type without nil gets an error, never an unset value.
TEST_F(value_test, a_coroutine_that_kills_itself_gives_no_value_and_says_so) {
  coroutine<std::string(int)> c([](auto& yield, int) -> std::string {
    yield("one");
    this_fiber::ref().kill();
    return "never";
  });
  EXPECT_EQ(c.resume(1), "one");
  expect_refusal(fiber_errc::no_value, [&] { c.resume(2); });
  EXPECT_TRUE(c.done());

  coroutine<void()> nothing_to_give([](auto&) { this_fiber::ref().kill(); });
  nothing_to_give.resume();
  EXPECT_TRUE(nothing_to_give.done());
}

TEST_F(value_test, a_body_that_suspends_without_yielding_gives_no_value_and_goes_on) {
  coroutine<std::string(int)> c([](auto& yield, int in) {
    this_fiber::suspend();
    int next = yield("yielded " + std::to_string(in));
    return "end " + std::to_string(next);
  });
  expect_refusal(fiber_errc::no_value, [&] { c.resume(1); });
  EXPECT_EQ(c.resume(2), "yielded 1");
  EXPECT_EQ(c.resume(3), "end 3");
}

TEST_F(value_test, a_yield_that_is_resumed_without_a_value_throws_and_the_next_one_works) {
  std::string log;
  coroutine<int(std::string)> c([&](auto& yield, std::string) {
    try {
      yield(1);
    } catch (const ramie::fiber_error& error) {
      EXPECT_EQ(error.code(), fiber_errc::no_value);
      log += yield(2);
    }
    return 3;
  });
  EXPECT_EQ(c.resume(""), 1);
  EXPECT_TRUE(c.ref().resume());
  EXPECT_EQ(c.resume("in"), 3);
  EXPECT_EQ(log, "in");

  coroutine<int(int)> started_bare([](auto&, int x) { return x; });
  expect_refusal(fiber_errc::no_value, [&] { started_bare.ref().resume(); });
  EXPECT_TRUE(started_bare.done());

  // One that takes nothing in misses nothing.
  coroutine<int()> takes_nothing([](auto& yield) {
    yield(1);
    return 2;
  });
  EXPECT_TRUE(takes_nothing.ref().resume());
  EXPECT_EQ(takes_nothing.resume(), 2);
}

TEST_F(value_test, cleanup_may_yield_while_the_coroutine_is_destroyed_or_assigned_over) {
  std::string log;
  auto body = [&log](auto& yield) -> std::string {
    struct says_goodbye {
      std::string& log;
      ramie::yielder<std::string()>& yield;
      ~says_goodbye() {
        yield("a text that is too long for the small string buffer");
        log += 'g';
      }
    };
    says_goodbye g{log, yield};
    yield("waiting");
    return "end";
  };
  {
    coroutine<std::string()> c(body);
    EXPECT_EQ(c.resume(), "waiting");
  }
  EXPECT_EQ(log, "g");
  coroutine<std::string()> c(body);
  EXPECT_EQ(c.resume(), "waiting");
  c = coroutine<std::string()>([](auto&) { return std::string("new"); });
  EXPECT_EQ(log, "gg");
  EXPECT_EQ(c.resume(), "new");
}

TEST_F(value_test, swap_and_self_move_keep_the_dialogue) {
  auto counting = [](int from) {
    return coroutine<int()>([from](auto& yield) {
      for (int i = from;; ++i) yield(i);
      return 0;
    });
  };
  coroutine<int()> a = counting(1), b = counting(100);
  EXPECT_EQ(a.resume(), 1);
  std::swap(a, b);
  EXPECT_EQ(a.resume(), 100);
  EXPECT_EQ(b.resume(), 2);
  auto& alias = a;
  a = std::move(alias);
  EXPECT_EQ(a.resume(), 101);
}

TEST_F(value_test, a_conversion_that_throws_leaves_the_step_undone) {
  struct fragile {
    int value = 0;
    bool breaks_when_moved = false;
    explicit fragile(int v, bool b = false) : value(v), breaks_when_moved(b) {}
    fragile(fragile&& other) : value(other.value), breaks_when_moved(other.breaks_when_moved) {
      if (breaks_when_moved) throw std::runtime_error("broke");
    }
    fragile& operator=(fragile&&) = delete;
  };
  coroutine<int(fragile)> c([](auto& yield, fragile f) {
    int sum = f.value;
    for (;;) sum += yield(sum).value;
    return 0;
  });
  EXPECT_EQ(c.resume(fragile(1)), 1);
  EXPECT_THROW(c.resume(fragile(2, true)), std::runtime_error);
  EXPECT_FALSE(c.done());
  EXPECT_EQ(c.resume(fragile(3)), 4);
}

TEST_F(value_test, coroutines_nest_and_feed_each_other) {
  coroutine<int()> numbers([](auto& yield) {
    for (int i = 1; i < 4; ++i) yield(i);
    return 4;
  });
  coroutine<std::string()> words([&](auto& yield) {
    while (!numbers.done()) yield(std::string(static_cast<std::size_t>(numbers.resume()), 'x'));
    return std::string("over");
  });
  std::vector<std::string> seen;
  while (!words.done()) seen.push_back(words.resume());
  EXPECT_EQ(seen, (std::vector<std::string>{"x", "xx", "xxx", "xxxx", "over"}));
}

TEST_F(value_test, raise_when_it_ends_by_the_exception_comes_out_and_ends_it) {
  coroutine<int()> c([](auto& yield) {
    yield(1);
    return 2;
  });
  expect_refusal(fiber_errc::not_started, [&] { c.raise(make_error<int>(1)); });
  EXPECT_EQ(c.resume(), 1);
  EXPECT_THROW(c.raise(make_error<std::out_of_range>("x")), std::out_of_range);
  EXPECT_TRUE(c.done());
}

}  // namespace
}  // namespace cases
