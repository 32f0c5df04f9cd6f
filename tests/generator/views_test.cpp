// Our views, over plain ranges and over generators, with every compiler.
#include "generator/generator_world.hpp"

#include <ramie/views.hpp>

#include <limits>
#include <list>
#include <map>
#include <sstream>

namespace generators {
namespace {

namespace rv = ramie::views;

class views_test : public clean_world {};

using numbers = std::vector<int>;
using nested = std::vector<numbers>;

static_assert(std::ranges::view<ramie::take_view<numbers&>> && std::ranges::input_range<ramie::take_view<numbers&>>);
static_assert(std::ranges::input_range<ramie::zip_view<numbers&, generator<int>&>>);
static_assert(std::ranges::input_range<ramie::enumerate_view<generator<int>>>);
static_assert(std::ranges::input_range<ramie::chunk_view<numbers&>>);

// Each of these runs over a vector and over a generator of the same numbers.
template <class Make>
void on_both(const numbers& source, Make&& make, const auto& expected) {
  numbers mine = source;
  auto over_range = make(mine);
  EXPECT_EQ(collect(over_range), expected);
  EXPECT_EQ(collect(over_range), expected) << "the second time";
  generator<int> g(mine);
  EXPECT_EQ(collect(make(g)), expected);
  EXPECT_EQ(collect(make(generator<int>(mine))), expected);
}

numbers up_to(int count) {
  numbers all;
  for (int i = 1; i <= count; ++i) all.push_back(i);
  return all;
}
template <class T>
T&& pass(T& x) {
  return static_cast<T&&>(x);
}

TEST_F(views_test, take_and_drop) {
  on_both(
      up_to(5), [](auto&& r) { return rv::take(pass<decltype(r)>(r), 2); }, numbers{1, 2});
  on_both(
      up_to(5), [](auto&& r) { return rv::take(pass<decltype(r)>(r), 9); }, numbers{1, 2, 3, 4, 5});
  on_both(
      up_to(5), [](auto&& r) { return rv::take(pass<decltype(r)>(r), 0); }, numbers());
  on_both(
      up_to(5), [](auto&& r) { return rv::drop(pass<decltype(r)>(r), 3); }, numbers{4, 5});
  on_both(
      up_to(5), [](auto&& r) { return rv::drop(pass<decltype(r)>(r), 9); }, numbers());
  EXPECT_THROW(rv::take(numbers(), -1), std::invalid_argument);
  EXPECT_THROW(rv::drop(numbers(), -1), std::invalid_argument);
}

TEST_F(views_test, take_while_and_drop_while) {
  const auto small = [](int x) { return x < 3; };
  on_both(
      up_to(5), [&](auto&& r) { return rv::take_while(pass<decltype(r)>(r), small); }, numbers{1, 2});
  on_both(
      up_to(5), [&](auto&& r) { return rv::drop_while(pass<decltype(r)>(r), small); }, numbers{3, 4, 5});
  on_both(
      {1, 5, 1}, [&](auto&& r) { return rv::drop_while(pass<decltype(r)>(r), small); }, numbers{5, 1});
}

TEST_F(views_test, no_more_is_asked_for_than_is_given) {
  int asked = 0;
  const auto source = [&](auto& yield) {
    for (int i = 1;; ++i) yield(asked = i);
  };
  EXPECT_EQ(collect(rv::take(generator<int>(source), 3)), up_to(3));
  EXPECT_EQ(asked, 3);
  asked = 0;
  EXPECT_EQ(collect(rv::take(generator<int>(source), 0)), numbers());
  EXPECT_EQ(asked, 0);
  auto chunks = generator<int>(source) | rv::chunk(2);
  EXPECT_EQ(*chunks.begin(), (numbers{1, 2}));
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(ramie::first(generator<int>(source) | rv::enumerate()).second, 1);
  EXPECT_EQ(asked, 1);
}

TEST_F(views_test, chunks_and_windows) {
  on_both(
      up_to(5), [](auto&& r) { return rv::chunk(pass<decltype(r)>(r), 2); }, nested{{1, 2}, {3, 4}, {5}});
  on_both(
      up_to(4), [](auto&& r) { return rv::each_slice(pass<decltype(r)>(r), 2); }, nested{{1, 2}, {3, 4}});
  on_both(
      up_to(4), [](auto&& r) { return rv::slide(pass<decltype(r)>(r), 3); }, nested{{1, 2, 3}, {2, 3, 4}});
  on_both(
      up_to(4), [](auto&& r) { return rv::each_cons(pass<decltype(r)>(r), 5); }, nested());
  EXPECT_THROW(rv::chunk(numbers(), 0), std::invalid_argument);
  EXPECT_THROW(rv::slide(numbers(), 0), std::invalid_argument);
}

TEST_F(views_test, runs_of_neighbours) {
  const auto next = [](int a, int b) { return a + 1 == b; };
  const nested runs{{1, 2}, {4, 5, 6}, {9}};
  on_both(
      {1, 2, 4, 5, 6, 9}, [&](auto&& r) { return rv::chunk_by(pass<decltype(r)>(r), next); }, runs);
  on_both(
      {1, 2, 4, 5, 6, 9}, [&](auto&& r) { return rv::chunk_while(pass<decltype(r)>(r), next); }, runs);
  on_both(
      {1, 2, 4, 5, 6, 9},
      [&](auto&& r) { return rv::slice_when(pass<decltype(r)>(r), [](int a, int b) { return a + 1 != b; }); }, runs);
  on_both(
      {}, [&](auto&& r) { return rv::chunk_by(pass<decltype(r)>(r), next); }, nested());
}

TEST_F(views_test, what_is_nothing_or_known_is_left_out) {
  std::vector<std::optional<int>> perhaps{1, std::nullopt, 3};
  EXPECT_EQ(collect(rv::compact(perhaps)), (numbers{1, 3}));
  EXPECT_EQ(collect(rv::compact(generator<std::optional<int>>(perhaps))), (numbers{1, 3}));
  int x = 5;
  std::vector<int*> pointers{nullptr, &x};
  EXPECT_EQ(collect(pointers | rv::compact()), std::vector{&x});
  on_both(
      {1, 2, 1, 3, 2}, [](auto&& r) { return rv::uniq(pass<decltype(r)>(r)); }, up_to(3));
  on_both(
      {1, 11, 2, 3}, [](auto&& r) { return rv::uniq(pass<decltype(r)>(r), [](int i) { return i % 10; }); },
      numbers{1, 2, 3});
}

TEST_F(views_test, chain_goes_from_one_to_the_next) {
  on_both(
      up_to(2),
      [](auto&& r) {
        return rv::chain(pass<decltype(r)>(r), numbers(), numbers{8, 9});
      },
      numbers{1, 2, 8, 9});
  on_both(
      {}, [](auto&& r) { return rv::chain(numbers(), pass<decltype(r)>(r)); }, numbers());
  // The later ones are not begun before it is their turn.
  int begun = 0;
  generator<int> later([&](auto& yield) { yield(++begun); });
  numbers one{5};
  auto both = rv::chain(one, later);
  auto it = both.begin();
  EXPECT_EQ(begun, 0);
  ++it;
  EXPECT_EQ(begun, 1);
}

TEST_F(views_test, zip_ends_with_the_shortest) {
  std::string all;
  for (auto [a, b] : rv::zip(up_to(3), generator<std::string>(std::vector<std::string>{"x", "y"}))) {
    all += std::to_string(a) + b;
  }
  EXPECT_EQ(all, "1x2y");
  numbers a = up_to(2);
  for (auto [x, y] : rv::zip(a, a)) x += 10;
  EXPECT_EQ(a, (numbers{11, 12}));
}

TEST_F(views_test, product_has_every_combination) {
  std::string all;
  for (auto [a, b, c] : rv::product(up_to(2), up_to(1), std::vector<char>{'x', 'y'})) {
    all += std::to_string(a) + std::to_string(b) + c + ' ';
  }
  EXPECT_EQ(all, "11x 11y 21x 21y ");
  int empty_tuples = 0;
  for (std::tuple<> none : rv::product()) static_cast<void>(none), ++empty_tuples;
  EXPECT_EQ(empty_tuples, 1);
  EXPECT_EQ(collect(rv::product(up_to(2), numbers())).size(), 0U);
  EXPECT_EQ(collect(rv::product(numbers(), up_to(2))).size(), 0U);
}

TEST_F(views_test, cycle_goes_round) {
  on_both(
      up_to(2), [](auto&& r) { return rv::take(rv::cycle(pass<decltype(r)>(r)), 5); }, numbers{1, 2, 1, 2, 1});
  on_both(
      up_to(2), [](auto&& r) { return rv::cycle(pass<decltype(r)>(r), 2); }, numbers{1, 2, 1, 2});
  on_both(
      up_to(2), [](auto&& r) { return rv::cycle(pass<decltype(r)>(r), 1); }, numbers{1, 2});
  on_both(
      up_to(2), [](auto&& r) { return rv::cycle(pass<decltype(r)>(r), 0); }, numbers());
  on_both(
      {}, [](auto&& r) { return rv::cycle(pass<decltype(r)>(r)); }, numbers());
}

TEST_F(views_test, produce_computes_each_from_the_one_before) {
  EXPECT_EQ(collect(rv::take(rv::produce(1, [](int x) { return x * 2; }), 5)), (numbers{1, 2, 4, 8, 16}));
  const auto halved = [](int x) { return x == 0 ? std::optional<int>() : x / 2; };
  EXPECT_EQ(collect(rv::produce(5, halved)), (numbers{5, 2, 1, 0}));
  auto fibonacci = rv::produce(std::pair(0, 1), [](auto p) { return std::pair(p.second, p.first + p.second); });
  EXPECT_EQ(ramie::find(fibonacci, [](auto p) { return p.first > 50; })->first, 55);
}

TEST_F(views_test, with_object_passes_the_same_object) {
  std::string memo;
  for (auto [x, text] : up_to(3) | rv::with_object(memo)) text += std::to_string(x);
  EXPECT_EQ(memo, "123");
  auto kept = rv::with_object(up_to(2), numbers{7});
  for (auto [x, all] : kept) all.push_back(x);
  EXPECT_EQ(kept.object(), (numbers{7, 1, 2}));
}

TEST_F(views_test, enumerate_numbers) {
  std::string all;
  for (auto [i, x] : std::vector<std::string>{"a", "b"} | rv::enumerate(3)) all += std::to_string(i) + x;
  EXPECT_EQ(all, "3a4b");
}

TEST_F(views_test, chains_of_adaptors_over_a_generator_use_its_fiber_and_no_other) {
  EXPECT_EQ(stacks_taken([] {
              auto chain = generator<int>(counting(100)) | rv::drop(10) | rv::uniq([](int x) { return x / 2; }) |
                           rv::chunk(2) | rv::take(2);
              EXPECT_EQ(collect(chain), (nested{{10, 12}, {14, 16}}));
            }),
            1U);
  EXPECT_EQ(stacks_taken([] {
              numbers many = up_to(100);
              EXPECT_EQ(ramie::first(many | rv::slide(2) | rv::drop(5)), (numbers{6, 7}));
              EXPECT_EQ(ramie::eager(rv::zip(many, rv::cycle(numbers{1, 2})) | rv::take(3)).size(), 3U);
            }),
            0U);
}

TEST_F(views_test, eager_and_tally_take_each_objects_too) {
  const auto source = [](auto&& out) { out(1), out(2), out(1); };
  EXPECT_EQ(stacks_taken([&] {
              EXPECT_EQ(ramie::eager<int>(source), (numbers{1, 2, 1}));
              EXPECT_EQ(ramie::tally<int>(source).at(1), 2U);
            }),
            0U);
  EXPECT_EQ(ramie::tally(numbers{3, 3, 4}), (std::unordered_map<int, std::size_t>{{3, 2}, {4, 1}}));
  const auto pairs = ramie::tally(std::vector{std::pair(1, 2), std::pair(1, 2)});
  EXPECT_EQ(pairs, (std::map<std::pair<int, int>, std::size_t>{{{1, 2}, 2}}));
}

TEST_F(views_test, sizes_are_known_where_they_can_be) {
  const numbers ten = up_to(10);
  EXPECT_EQ(rv::take(ten, 3).size(), 3U);
  EXPECT_EQ(rv::take(ten, 30).size(), 10U);
  EXPECT_EQ(rv::drop(ten, 4).size(), 6U);
  EXPECT_EQ(rv::drop(ten, 40).size(), 0U);
  EXPECT_EQ(rv::chunk(ten, 3).size(), 4U);
  EXPECT_EQ(rv::slide(ten, 3).size(), 8U);
  EXPECT_EQ(rv::slide(ten, 11).size(), 0U);
  EXPECT_EQ(rv::chain(ten, ten).size(), 20U);
  EXPECT_EQ(rv::zip(ten, up_to(4)).size(), 4U);
  EXPECT_EQ(rv::product(ten, ten).size(), 100U);
  EXPECT_EQ(rv::product().size(), 1U);
  EXPECT_EQ(rv::cycle(ten).size(), ramie::endless);
  EXPECT_EQ(rv::cycle(ten, 3).size(), 30U);
  EXPECT_EQ(rv::enumerate(ten).size(), 10U);
  generator<int> unknown(counting(3));
  EXPECT_EQ(rv::take(unknown, 3).size(), std::nullopt);
  EXPECT_EQ(rv::take(unknown, 0).size(), 0U);
  EXPECT_EQ(rv::chain(ten, unknown, ten).size(), std::nullopt);
  generator<int> infinite(counting(3), ramie::endless);
  EXPECT_EQ(rv::chain(ten, infinite, unknown).size(), ramie::endless);
  EXPECT_EQ(rv::product(numbers(), infinite).size(), 0U);
  EXPECT_EQ(rv::product(infinite, unknown).size(), std::nullopt);
  EXPECT_EQ(rv::drop(infinite, 4).size(), ramie::endless);
  EXPECT_EQ(rv::produce(1, [](int x) { return x; }).size(), ramie::endless);
}

TEST_F(views_test, move_only_elements_pass_through) {
  const auto source = [](auto& yield) {
    for (int i = 0; i < 4; ++i) yield(std::make_unique<int>(i));
  };
  int sum = 0;
  for (auto& two : generator<std::unique_ptr<int>>(source) | rv::drop(1) | rv::chunk(2)) {
    for (auto& p : two) sum += *p;
  }
  EXPECT_EQ(sum, 6);
}

}  // namespace
}  // namespace generators
