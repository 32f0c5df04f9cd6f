// Values both ways.
#include <ramie/coroutine.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace {

using ramie::coroutine;

TEST(coroutine_test, each_step_sends_a_value_in_and_brings_one_out) {
  coroutine<int(std::string)> length([](auto& yield, std::string first) {
    std::string next = yield(static_cast<int>(first.size()));
    return static_cast<int>(next.size());
  });
  EXPECT_EQ(length.resume("hello"), 5);
  EXPECT_FALSE(length.done());
  EXPECT_EQ(length.resume("you"), 3);
  EXPECT_TRUE(length.done());
  try {
    length.resume("again");
    FAIL();
  } catch (const ramie::fiber_error& error) {
    EXPECT_EQ(error.code(), ramie::fiber_errc::iteration_over);
  }
}

TEST(coroutine_test, move_only_values_and_references_pass_through) {
  coroutine<std::unique_ptr<int>(std::unique_ptr<int>)> box([](auto& yield, std::unique_ptr<int> value) {
    for (;;) value = yield(std::move(value));
    return value;
  });
  EXPECT_EQ(*box.resume(std::make_unique<int>(3)), 3);
  EXPECT_EQ(*box.resume(std::make_unique<int>(4)), 4);

  int target = 0;
  coroutine<int&(int&)> same([](auto& yield, int& in) -> int& {
    int* now = &in;
    for (;;) now = &yield(*now);
  });
  same.resume(target) = 9;
  EXPECT_EQ(target, 9);
}

TEST(coroutine_test, several_values_in_and_none) {
  coroutine<int(int, int)> sum([](auto& yield, int a, int b) {
    for (;;) std::tie(a, b) = yield(a + b);
    return 0;
  });
  EXPECT_EQ(sum.resume(1, 2), 3);
  EXPECT_EQ(sum.resume(5, 6), 11);

  std::vector<int> log;
  coroutine<void(int)> sink([&](auto& yield, int value) {
    for (;;) {
      log.push_back(value);
      value = yield();
    }
  });
  sink.resume(1);
  sink.resume(2);
  EXPECT_EQ(log, (std::vector<int>{1, 2}));

  coroutine<int()> source([](auto& yield) {
    yield(1);
    yield(2);
    return 3;
  });
  EXPECT_EQ(source.resume(), 1);
  EXPECT_EQ(source.resume(), 2);
  EXPECT_EQ(source.resume(), 3);
  EXPECT_TRUE(source.done());
}

TEST(coroutine_test, raise_throws_out_of_the_yield_and_kill_unwinds) {
  bool unwound = false;
  {
    coroutine<std::string(int)> c([&](auto& yield, int) -> std::string {
      struct mark {
        bool& flag;
        ~mark() { flag = true; }
      } m{unwound};
      try {
        yield("waiting");
      } catch (const std::runtime_error& e) {
        yield(std::string("caught ") + e.what());
      }
      return "end";
    });
    EXPECT_EQ(c.resume(0), "waiting");
    EXPECT_EQ(c.raise(std::make_exception_ptr(std::runtime_error("it"))), "caught it");
    EXPECT_FALSE(unwound);
  }
  EXPECT_TRUE(unwound);
}

TEST(coroutine_test, what_escapes_the_body_comes_out_of_resume) {
  coroutine<int(int)> c([](auto& yield, int value) -> int {
    yield(value);
    throw std::out_of_range("gone");
  });
  EXPECT_EQ(c.resume(1), 1);
  EXPECT_THROW(c.resume(2), std::out_of_range);
  EXPECT_TRUE(c.done());
}

}  // namespace
