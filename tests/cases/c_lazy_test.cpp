// Section C of the behaviour cases: what Lazy does, as views.
#include "cases/world.hpp"

#include <ramie/generator.hpp>
#include <ramie/views.hpp>

#include <stdexcept>
#include <vector>

namespace cases {
namespace {

using ramie::generator;
namespace rv = ramie::views;
using numbers = std::vector<int>;

class lazy_test : public clean_world {
 protected:
  int touched = 0;
  // 1, 2, … `last`, telling how far it was read.
  auto steps(int last) {
    return generator<int>([this, last](auto& yield) {
      for (int i = 1; i <= last; ++i) yield(touched = i);
    });
  }
  static auto from(int first) {
    return rv::produce(first, [](int x) { return x + 1; });
  }
};

// C29
TEST_F(lazy_test, the_first_of_a_lazy_chain_touches_one_element) {
  EXPECT_EQ(ramie::first(steps(3) | rv::enumerate()).second, 1);
  EXPECT_EQ(touched, 1);
  EXPECT_EQ(ramie::eager(steps(3)).size(), 3U);
  EXPECT_EQ(touched, 3);
}

// C31
TEST_F(lazy_test, the_same_view_is_walked_again_and_inside_itself) {
  auto five = from(1) | rv::take(5);
  EXPECT_EQ(ramie::eager(five), (numbers{1, 2, 3, 4, 5}));
  EXPECT_EQ(ramie::eager(five), (numbers{1, 2, 3, 4, 5}));
  int pairs = 0;
  for (int a : five) {
    for (int b : five) pairs += a == b ? 1 : 0;
  }
  EXPECT_EQ(pairs, 5);
  const numbers source{1, 2, 3, 4, 5};
  auto dropped = source | rv::drop(3);
  auto dropped_while = source | rv::drop_while([](int x) { return x < 4; });
  auto zipped = rv::zip(source, source);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(ramie::eager(dropped), (numbers{4, 5}));
    EXPECT_EQ(ramie::eager(dropped_while), (numbers{4, 5}));
    EXPECT_EQ(ramie::eager(zipped).size(), 5U);
  }
  int nested = 0;
  for (int a : dropped) {
    for (int b : dropped) nested += 10 * a + b;
  }
  EXPECT_EQ(nested, 44 + 45 + 54 + 55);
}

// C33: zip ends with the shortest, as std::views::zip; what is no range does not compile (tests/must_not_compile).
TEST_F(lazy_test, zip_takes_endless_ranges_and_makes_no_fiber) {
  const std::uint64_t before = ramie::count_stacks().acquired;
  int sum = 0;
  for (auto [a, b] : rv::zip(numbers{1, 2, 3}, from(10))) sum += a * b;
  EXPECT_EQ(sum, 10 + 22 + 36);
  EXPECT_EQ(ramie::eager(rv::zip(from(1), numbers{1, 2})).size(), 2U);
  EXPECT_EQ(ramie::count_stacks().acquired, before);
}

// C34
TEST_F(lazy_test, the_first_slice_of_an_endless_range_is_there_at_once) {
  EXPECT_EQ(ramie::first(from(1) | rv::each_slice(2)), (numbers{1, 2}));
  EXPECT_EQ(ramie::first(from(1) | rv::each_cons(2)), (numbers{1, 2}));
}

// C35
TEST_F(lazy_test, sizes_go_through_where_they_can) {
  const numbers three{1, 2, 3};
  EXPECT_EQ(rv::with_index(three).size(), 3U);
  EXPECT_EQ((three | rv::take(2)).size(), 2U);
  EXPECT_EQ((three | rv::take(4)).size(), 3U);
  EXPECT_EQ((three | rv::drop(4)).size(), 0U);
  EXPECT_EQ((from(1) | rv::drop(4)).size(), ramie::endless);
  EXPECT_EQ(generator<int>(three | rv::compact()).size(), std::nullopt);
  EXPECT_EQ(generator<int>(three | rv::take(2)).size(), 2U);
}

// C36
TEST_F(lazy_test, eager_is_a_vector_with_its_size) {
  EXPECT_EQ(ramie::eager(from(1) | rv::take(3)).size(), 3U);
  static_assert(std::same_as<decltype(ramie::eager(from(1) | rv::take(3))), numbers>);
}

// C37
TEST_F(lazy_test, uniq_of_an_endless_range_twice) {
  auto squares = from(1) | rv::uniq([](int x) { return x * x % 10; }) | rv::take(6);
  EXPECT_EQ(ramie::eager(squares), (numbers{1, 2, 3, 4, 5, 10}));
  EXPECT_EQ(ramie::eager(squares), (numbers{1, 2, 3, 4, 5, 10}));
}

// C38: a missing block does not compile.
TEST_F(lazy_test, counts_that_make_no_sense_are_refused) {
  EXPECT_THROW(rv::take(numbers(), -1), std::invalid_argument);
  EXPECT_THROW(rv::drop(numbers(), -1), std::invalid_argument);
  EXPECT_THROW(rv::each_slice(numbers(), 0), std::invalid_argument);
  EXPECT_THROW(rv::each_cons(numbers(), -2), std::invalid_argument);
}

}  // namespace
}  // namespace cases
