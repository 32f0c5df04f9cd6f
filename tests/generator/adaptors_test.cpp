// std::ranges over generators and over our views. clang 14 cannot compile libstdc++ 12's std::views: with it only the
// algorithms are tested, aloud.
#include "generator/generator_world.hpp"

#include <ramie/views.hpp>

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace generators {
namespace {

namespace rv = ramie::views;

class adaptors_test : public clean_world {};

TEST_F(adaptors_test, algorithms_take_generators) {
  EXPECT_EQ(std::ranges::count(generator<int>(counting(10)), 3), 1);
  std::vector<int> out;
  std::ranges::copy(generator<int>(counting(3)), std::back_inserter(out));
  EXPECT_EQ(out, (std::vector{0, 1, 2}));
  generator<int> g(counting(10));
  const auto found = std::ranges::find(g, 4);
  EXPECT_EQ(*found, 4);
  EXPECT_EQ(std::ranges::max(generator<int>(counting(5)) | rv::take(4)), 3);
}

#if defined(__clang__) && __clang_major__ < 16
TEST_F(adaptors_test, std_views_are_not_compiled_by_this_clang) {
  std::puts("skipped: std::views over generators: clang 14 cannot compile libstdc++ 12's std::views");
  GTEST_SKIP();
}
#else
TEST_F(adaptors_test, std_views_take_generators) {
  auto chain = generator<int>(counting(20)) | std::views::filter([](int x) { return x % 2 == 1; }) |
               std::views::transform([](int x) { return x * x; }) | std::views::take(3);
  EXPECT_EQ(collect(chain), (std::vector{1, 9, 25}));
  generator<const std::string&> words(std::vector<std::string>{"a", "bb"});
  std::size_t letters = 0;
  for (std::size_t length : std::move(words) | std::views::transform(&std::string::size)) letters += length;
  EXPECT_EQ(letters, 3U);
  EXPECT_EQ(collect(generator<int>(counting(5)) | std::views::drop_while([](int x) { return x < 3; })),
            (std::vector{3, 4}));
}

TEST_F(adaptors_test, std_views_and_ours_mix) {
  auto mixed = std::views::iota(1) | rv::chunk(3) | std::views::transform([](const std::vector<int>& three) {
                 return std::accumulate(three.begin(), three.end(), 0);
               }) |
               rv::take(3);
  EXPECT_EQ(collect(mixed), (std::vector{6, 15, 24}));
  generator<int> g(counting(6));
  EXPECT_EQ(collect(std::views::all(std::move(g)) | std::views::filter([](int x) { return x > 3; }) | rv::slide(2)),
            (std::vector<std::vector<int> >{{4, 5}}));
  std::vector<std::vector<int> > rows{{1, 2}, {3}};
  EXPECT_EQ(collect(generator<std::vector<int>&>(rows) | std::views::join), (std::vector{1, 2, 3}));
}

TEST_F(adaptors_test, a_generator_may_be_made_of_a_chain) {
  generator<int> g(std::views::iota(0, 5) | std::views::reverse);
  EXPECT_EQ(collect(g), (std::vector{4, 3, 2, 1, 0}));
}
#endif

}  // namespace
}  // namespace generators
