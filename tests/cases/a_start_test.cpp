// Starting, suspending, resuming, ending: cases A01 to A14, A32, A38, A47.
#include "cases/world.hpp"

#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace cases {
namespace {

class start_test : public clean_world {};

// A01
TEST_F(start_test, the_first_resume_brings_a_value_in_and_returns_what_is_yielded) {
  coroutine<std::string(std::string)> c([](auto& yield, std::string first) {
    EXPECT_EQ(first, "ok1");
    yield("ok2");
    return std::string("end");
  });
  EXPECT_EQ(c.resume("ok1"), "ok2");
  EXPECT_EQ(c.resume(""), "end");
}

// A01
TEST_F(start_test, two_values_come_in_as_two_and_go_out_as_a_pair) {
  coroutine<std::pair<int, char>(int, char)> c([](auto& yield, int a, char b) -> std::pair<int, char> {
    auto [next_a, next_b] = yield({a, b});
    return {next_a + 1, next_b};
  });
  EXPECT_EQ(c.resume(1, 'x'), (std::pair<int, char>(1, 'x')));
  EXPECT_EQ(c.resume(2, 'y'), (std::pair<int, char>(3, 'y')));
}

// A02: a missing argument is an empty optional, and the body says what it stands for.
TEST_F(start_test, an_argument_may_be_left_out_where_its_type_says_so) {
  coroutine<int(std::optional<int>)> c([](auto&, std::optional<int> i) { return i.value_or(4); });
  EXPECT_EQ(c.resume(std::nullopt), 4);
}

// A03
TEST_F(start_test, four_nested_fibers_end_in_the_order_of_their_depth) {
  std::string log = "a";
  fiber b([&] {
    fiber c([&] {
      fiber d([&] {
        fiber e([&] { log += 'b'; });
        e.resume();
        log += 'c';
      });
      d.resume();
      log += 'd';
    });
    c.resume();
    log += 'e';
  });
  EXPECT_FALSE(b.resume());
  EXPECT_EQ(log, "abcde");
}

// A04
TEST_F(start_test, values_go_out_and_in_at_a_yield_and_none_where_the_type_has_none) {
  std::string got;
  coroutine<void(std::string)> in_only([&](auto& yield, std::string) { got = yield(); });
  in_only.resume("first");
  EXPECT_EQ(got, "");
  in_only.resume("caller");
  EXPECT_EQ(got, "caller");
  EXPECT_TRUE(in_only.done());

  coroutine<std::string()> out_only([](auto& yield) {
    yield("v");
    return std::string();
  });
  EXPECT_EQ(out_only.resume(), "v");
  EXPECT_EQ(out_only.resume(), "");

  int steps = 0;
  coroutine<void()> neither([&](auto& yield) {
    ++steps;
    yield();
    ++steps;
  });
  neither.resume();
  EXPECT_EQ(steps, 1);
  neither.resume();
  EXPECT_EQ(steps, 2);
  EXPECT_TRUE(neither.done());
}

// A05
TEST_F(start_test, a_later_value_does_not_change_the_first_parameter) {
  coroutine<int(int)> c([](auto& yield, int first) {
    yield(first);
    yield(first);
    return first;
  });
  EXPECT_EQ(c.resume(1), 1);
  EXPECT_EQ(c.resume(2), 1);
  EXPECT_EQ(c.resume(3), 1);
}

// A06
TEST_F(start_test, a_fiber_is_not_done_until_it_ends_and_asking_never_starts_it) {
  bool ran = false, inside = true;
  fiber* self = nullptr;
  fiber f([&] {
    ran = true;
    inside = self->done();
    this_fiber::suspend();
  });
  self = &f;
  EXPECT_FALSE(f.done());
  EXPECT_FALSE(fiber_ref(f).done());
  EXPECT_FALSE(ran);
  f.resume();
  EXPECT_FALSE(inside);
  EXPECT_FALSE(f.done());
  f.resume();
  EXPECT_TRUE(f.done());
  EXPECT_TRUE(f.done());
}

// A07
TEST_F(start_test, the_state_has_a_name_at_each_point) {
  std::string inside, waiting;
  fiber* self = nullptr;
  fiber f([&] {
    inside = name_of(self->state());
    fiber child([&] { waiting = name_of(self->state()); });
    child.resume();
    this_fiber::suspend();
  });
  self = &f;
  EXPECT_STREQ(name_of(f.state()), "created");
  f.resume();
  EXPECT_EQ(inside, "running");
  EXPECT_EQ(waiting, "resuming");
  EXPECT_STREQ(name_of(f.state()), "suspended");
  f.resume();
  EXPECT_STREQ(name_of(f.state()), "terminated");
}

// A08
TEST_F(start_test, suspending_a_threads_own_stack_is_refused_and_the_thread_goes_on) {
  expect_refusal(fiber_errc::no_resumer, [] { this_fiber::suspend(); });
  fiber f([] { this_fiber::suspend(); });
  EXPECT_TRUE(f.resume());
  EXPECT_FALSE(f.resume());
  expect_refusal(fiber_errc::no_resumer, [] { this_fiber::suspend(); });
  std::thread([] {
    expect_refusal(fiber_errc::no_resumer, [] { this_fiber::suspend(); });
    fiber inner([] { this_fiber::suspend(); });
    EXPECT_TRUE(inner.resume());
    EXPECT_FALSE(inner.resume());
  }).join();
}

// A09
TEST_F(start_test, an_ended_fiber_refuses_to_be_resumed_each_time) {
  fiber f([] {});
  EXPECT_FALSE(f.resume());
  for (int i = 0; i < 3; ++i) expect_refusal(fiber_errc::terminated, [&] { f.resume(); });
  expect_refusal(fiber_errc::terminated, [&] { f.transfer(); });
  expect_refusal(fiber_errc::terminated, [&] { f.raise(make_error<int>(1)); });
}

// A10
TEST_F(start_test, a_fiber_that_resumes_itself_is_refused_and_goes_on) {
  fiber* self = nullptr;
  bool went_on = false;
  fiber f([&] {
    expect_refusal(fiber_errc::resumes_itself, [&] { self->resume(); });
    expect_refusal(fiber_errc::resumes_itself, [] { this_fiber::ref().resume(); });
    this_fiber::suspend();
    went_on = true;
  });
  self = &f;
  EXPECT_TRUE(f.resume());
  EXPECT_FALSE(f.resume());
  EXPECT_TRUE(went_on);
}

// A12
TEST_F(start_test, a_fiber_that_resumes_the_root_is_refused) {
  fiber_ref root = this_fiber::ref();
  fiber f([&] { expect_refusal(fiber_errc::resuming_another, [&] { root.resume(); }); });
  EXPECT_FALSE(f.resume());
  std::thread([] {
    fiber_ref own = this_fiber::ref();
    expect_refusal(fiber_errc::resumes_itself, [&] { own.resume(); });
  }).join();
}

// A14
TEST_F(start_test, what_escapes_the_body_is_the_same_object_at_resume) {
  const void* thrown = nullptr;
  fiber f([&] {
    try {
      throw std::runtime_error("it");
    } catch (const std::exception& error) {
      thrown = &error;
      throw;
    }
  });
  try {
    f.resume();
    ADD_FAILURE();
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(static_cast<const void*>(static_cast<const std::exception*>(&error)), thrown);
    EXPECT_STREQ(error.what(), "it");
  }
  EXPECT_TRUE(f.done());
  expect_refusal(fiber_errc::terminated, [&] { f.resume(); });
}

// A14
TEST_F(start_test, an_exception_goes_up_through_every_resumer_that_does_not_catch_it) {
  std::string log;
  fiber outer([&] {
    mark o(log, 'o');
    fiber middle([&] {
      mark m(log, 'm');
      fiber inner([&] {
        mark i(log, 'i');
        throw 42;
      });
      inner.resume();
      log += '!';
    });
    middle.resume();
    log += '!';
  });
  try {
    outer.resume();
    ADD_FAILURE();
  } catch (int value) {
    EXPECT_EQ(value, 42);
  }
  EXPECT_EQ(log, "imo");
}

// A38
TEST_F(start_test, destructors_wait_while_the_fiber_is_only_suspended) {
  std::string log;
  fiber f([&] {
    mark m(log, 'x');
    this_fiber::suspend();
  });
  f.resume();
  EXPECT_EQ(log, "");
  f.resume();
  EXPECT_EQ(log, "x");
}

// A47
TEST_F(start_test, a_value_from_a_fiber_of_a_grandchild_thread_comes_through_two_joins) {
  std::string value;
  std::thread([&] {
    std::thread([&] {
      coroutine<std::string()> c([](auto& yield) {
        yield("ok");
        return std::string();
      });
      value = c.resume();
    }).join();
  }).join();
  EXPECT_EQ(value, "ok");
}

TEST_F(start_test, already_resumed_fibers_are_refused_from_below_and_stay_usable) {
  fiber outer;
  fiber middle;
  fiber inner([&] {
    expect_refusal(fiber_errc::already_resumed, [&] { outer.resume(); });
    expect_refusal(fiber_errc::already_resumed, [&] { middle.resume(); });
    this_fiber::suspend();
  });
  middle = fiber([&] {
    inner.resume();
    this_fiber::suspend();
  });
  outer = fiber([&] {
    middle.resume();
    this_fiber::suspend();
  });
  EXPECT_TRUE(outer.resume());
  // Three suspended fibers: anybody may resume any of them now.
  EXPECT_FALSE(inner.resume());
  EXPECT_FALSE(middle.resume());
  EXPECT_FALSE(outer.resume());
}

TEST_F(start_test, a_refusal_says_which_fiber_by_name_number_and_line) {
  fiber f([] {}, {.name = "parser"});
  const unsigned line = __LINE__ - 1;
  f.resume();
  try {
    f.resume();
    ADD_FAILURE();
  } catch (const ramie::fiber_error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("'parser'"), std::string::npos) << text;
    EXPECT_NE(text.find("#" + std::to_string(f.id())), std::string::npos) << text;
    EXPECT_NE(text.find("a_start_test.cpp:" + std::to_string(line)), std::string::npos) << text;
  }
}

TEST_F(start_test, errors_are_logic_errors_with_a_code_of_their_own_category) {
  try {
    fiber().resume();
    ADD_FAILURE();
  } catch (const std::logic_error& error) {
    const auto* same = dynamic_cast<const ramie::fiber_error*>(&error);
    ASSERT_NE(same, nullptr);
    EXPECT_EQ(&same->code().category(), &ramie::fiber_category());
    EXPECT_EQ(same->code(), fiber_errc::no_fiber);
    EXPECT_FALSE(same->code().message().empty());
  }
}

}  // namespace
}  // namespace cases
