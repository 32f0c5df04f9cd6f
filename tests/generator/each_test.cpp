// Internal iteration: stops early, runs the source's destructors, and never takes a fiber.
#include "generator/generator_world.hpp"

#include <algorithm>
#include <list>
#include <map>
#include <sstream>
#include <stdexcept>

namespace generators {
namespace {

class each_test : public clean_world {
 protected:
  void SetUp() override {
    clean_world::SetUp();
    acquired_ = ramie::count_stacks().acquired;
  }
  void TearDown() override {
    EXPECT_EQ(ramie::count_stacks().acquired, acquired_) << "internal iteration took a stack";
    clean_world::TearDown();
  }
  std::uint64_t acquired_ = 0;
};

// Three ways of each(): a callback whose answer nobody reads, one that stops by signature, one that says it stops.
struct deaf {
  using value_type = int;
  int count = 3;
  std::string* log = nullptr;
  int called = 0;
  template <class F>
  void each(F&& callback) {
    std::string mine;
    mark outer(log != nullptr ? *log : mine, 'u');
    for (int i = 1; i <= count; ++i) {
      ++called;
      callback(i);
    }
  }
};
struct answering {
  using value_type = int;
  int count = 3, called = 0;
  void each(const std::function<bool(int)>& callback) {
    for (int i = 1; i <= count; ++i) {
      ++called;
      if (!callback(i)) return;
    }
  }
};
struct saying {
  static constexpr bool each_stops = true;
  using value_type = int;
  int count = 3, called = 0;
  template <class F>
  void each(F&& callback) {
    for (int i = 1; i <= count && ++called > 0; ++i) {
      if (!callback(i)) return;
    }
  }
};

TEST_F(each_test, first_of_a_range_is_its_first_element) {
  EXPECT_EQ(ramie::first(std::vector{5, 6}), 5);
  EXPECT_EQ(ramie::first(std::list<std::string>{"a"}), "a");
  EXPECT_EQ(ramie::first(std::map<int, int>{{1, 2}}).second, 2);
#if !defined(__clang__) || __clang_major__ >= 16  // see adaptors_test.cpp
  std::istringstream words("one two");
  EXPECT_EQ(ramie::first(std::ranges::istream_view<std::string>(words)), "one");
#endif
}

template <class Source>
void stops_at_the_first() {
  Source source;
  EXPECT_EQ(ramie::first(source), 1);
  EXPECT_EQ(source.called, 1);
  EXPECT_EQ(ramie::find(source, [](int x) { return x == 2; }), 2);
  EXPECT_EQ(source.called, 3);
  EXPECT_EQ(ramie::find(source, [](int x) { return x == 20; }), std::nullopt);
  EXPECT_EQ(source.called, 6);
  EXPECT_TRUE(ramie::any_of(source, [](int x) { return x == 1; }));
  EXPECT_FALSE(ramie::all_of(source, [](int x) { return x != 1; }));
  EXPECT_FALSE(ramie::none_of(source, [](int x) { return x == 1; }));
  EXPECT_TRUE(ramie::contains(source, 1));
  EXPECT_EQ(source.called, 10);
  EXPECT_EQ(ramie::min_max(source), (std::pair{1, 3}));
  EXPECT_EQ(ramie::first_or(source, 9), 1);
  source.count = 0;
  EXPECT_EQ(ramie::first_or(source, 9), 9);
  EXPECT_THROW(ramie::first(source), std::invalid_argument);
  EXPECT_THROW(ramie::min_max(source), std::invalid_argument);
}

TEST_F(each_test, an_each_that_reads_no_answer_is_stopped) { stops_at_the_first<deaf>(); }
TEST_F(each_test, an_each_that_wants_an_answer_is_stopped) { stops_at_the_first<answering>(); }
TEST_F(each_test, an_each_that_says_it_stops_is_stopped) { stops_at_the_first<saying>(); }

TEST_F(each_test, the_protocols_are_told_apart) {
  static_assert(!ramie::control::says_that_it_stops<deaf>());
  static_assert(ramie::control::says_that_it_stops<answering>());
  static_assert(ramie::control::says_that_it_stops<saying>());
}

TEST_F(each_test, destructors_of_the_source_run_when_it_is_stopped) {
  std::string log;
  deaf source{3, &log};
  EXPECT_EQ(ramie::first(source), 1);
  EXPECT_EQ(log, "u");
}

TEST_F(each_test, a_function_that_pushes_is_a_source) {
  EXPECT_EQ(ramie::first<int>([](auto&& out) { out(4), out(5); }), 4);
  EXPECT_EQ(ramie::first_or<int>([](auto&&) {}, 6), 6);
}

TEST_F(each_test, several_values_are_a_tuple) {
  const auto source = [](auto&& out) { out(1, std::string("one")), out(2, std::string("two")); };
  const auto found =
      ramie::find<std::tuple<int, std::string>>(source, [](const auto& t) { return std::get<0>(t) == 2; });
  EXPECT_EQ(std::get<1>(*found), "two");
}

TEST_F(each_test, the_empty_case_names_what_is_empty) {
  try {
    ramie::first(std::vector<long>());
    ADD_FAILURE();
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("first: nothing in std::vector<long"), std::string::npos) << error.what();
  }
  struct users {
    using value_type = int;
    void each(const std::function<void(int)>&) const {}
    [[nodiscard]] std::string name() const { return "active users"; }
  };
  try {
    ramie::first(users());
    ADD_FAILURE();
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("'active users'"), std::string::npos) << error.what();
  }
}

TEST_F(each_test, an_error_of_the_source_comes_through) {
  EXPECT_THROW(ramie::first<int>([](auto&&) { throw std::out_of_range("x"); }), std::out_of_range);
  EXPECT_THROW(ramie::any_of(std::vector{1}, [](int) -> bool { throw 1; }), int);
}

TEST_F(each_test, iterations_inside_iterations_stop_their_own) {
  deaf outer, inner;
  const auto found = ramie::find(outer, [&](int x) { return ramie::first(inner) + 1 == x; });
  EXPECT_EQ(found, 2);
  // The inner source runs inside the outer one's each.
  const auto nested = [&](auto&& out) {
    ramie::visit_each(inner, [&](int x) { out(x * 10); });
    ADD_FAILURE() << "was stopped in the middle";
  };
  EXPECT_EQ(ramie::first<int>(nested), 10);
}

TEST_F(each_test, a_source_that_swallows_the_stop_does_no_harm) {
  int swallowed = 0;
  const auto stubborn = [&](auto&& out) {
    for (int i = 1; i <= 3; ++i) {
      try {
        out(i);
      } catch (...) {
        ++swallowed;
      }
    }
  };
  EXPECT_EQ(ramie::first<int>(stubborn), 1);
  EXPECT_EQ(swallowed, 3);
}

TEST_F(each_test, values_are_moved_out_of_rvalues_only) {
  std::vector<std::string> words{std::string(40, 'w')};
  EXPECT_EQ(ramie::first(words), words[0]);
  EXPECT_EQ(words[0].size(), 40U);
  EXPECT_EQ(*ramie::first<std::unique_ptr<int>>([](auto&& out) { out(std::make_unique<int>(3)); }), 3);
}

}  // namespace
}  // namespace generators
