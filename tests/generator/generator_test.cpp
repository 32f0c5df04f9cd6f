// Values: what goes in, what comes out, where the end is.
#include "generator/generator_world.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <tuple>

namespace generators {
namespace {

class generator_test : public clean_world {};

static_assert(std::ranges::input_range<generator<int>> && std::ranges::view<generator<int>>);
static_assert(std::ranges::input_range<generator<std::string&>> && std::ranges::view<generator<const std::string&>>);
static_assert(std::ranges::input_range<generator<std::unique_ptr<int>>>);
static_assert(!std::ranges::forward_range<generator<int>> && !std::copyable<generator<int>>);
static_assert(std::is_nothrow_move_constructible_v<generator<int>> && sizeof(generator<int>) == 3 * sizeof(void*));
static_assert(std::same_as<generator<int>::reference, int&&> && std::same_as<generator<int&>::reference, int&>);

TEST_F(generator_test, a_pushing_function_is_a_range) {
  EXPECT_EQ(collect(generator<int>(counting(4))), (std::vector{0, 1, 2, 3}));
  EXPECT_EQ(collect(generator<int>(counting(0))), std::vector<int>());
  generator<int> g(counting(5));
  EXPECT_EQ(std::ranges::count_if(g, [](int x) { return x % 2 == 0; }), 3);
}

TEST_F(generator_test, next_gives_each_value_and_then_the_end_for_ever) {
  generator<int> g(counting(2));
  EXPECT_EQ(g.next(), 0);
  EXPECT_EQ(g.next(), 1);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(g.next(), std::nullopt);
  EXPECT_EQ(g.peek(), nullptr);
  EXPECT_TRUE(g.begin() == g.end());
}

TEST_F(generator_test, references_are_handed_over_as_they_are) {
  std::vector<std::string> words{"a", "b"};
  generator<std::string&> g([&](auto& yield) {
    for (std::string& word : words) yield(word);
  });
  for (std::string& word : g) word += "!";
  EXPECT_EQ(words, (std::vector<std::string>{"a!", "b!"}));
  g.rewind();
  EXPECT_EQ(g.next(), &words[0]);
  EXPECT_EQ(g.next(), &words[1]);
  EXPECT_EQ(g.next(), nullptr);
}

struct counted {
  static inline int copies = 0, moves = 0;
  counted() = default;
  counted(const counted&) { ++copies; }
  counted(counted&&) noexcept { ++moves; }
  counted& operator=(const counted&) = default;
  counted& operator=(counted&&) noexcept = default;
};

TEST_F(generator_test, constant_references_are_never_copied_nor_moved) {
  counted::copies = counted::moves = 0;
  generator<const counted&> g([](auto& yield) {
    counted one;
    yield(one);
    yield(counted());
  });
  int seen = 0;
  for ([[maybe_unused]] const counted& each : g) ++seen;
  EXPECT_EQ(seen, 2);
  EXPECT_EQ(counted::copies + counted::moves, 0);
}

TEST_F(generator_test, a_value_is_moved_when_it_is_an_rvalue_and_copied_once_when_not) {
  counted::copies = counted::moves = 0;
  generator<counted> g([](auto& yield) {
    yield(counted());
    const counted one;
    yield(one);
  });
  for (counted&& each : g) static_cast<void>(each);
  EXPECT_EQ(counted::copies, 1);
  EXPECT_EQ(counted::moves, 0);
  g.rewind();
  while (g.next()) {
  }
  EXPECT_EQ(counted::copies, 2);
  EXPECT_GE(counted::moves, 2);
}

TEST_F(generator_test, move_only_values_come_out_by_next_and_by_iteration) {
  const auto source = [](auto& yield) {
    for (int i = 0; i < 3; ++i) yield(std::make_unique<int>(i));
  };
  generator<std::unique_ptr<int>> g(source);
  EXPECT_EQ(**g.next(), 0);
  std::vector<std::unique_ptr<int>> rest;
  for (std::unique_ptr<int>&& p : g) rest.push_back(std::move(p));
  ASSERT_EQ(rest.size(), 2U);
  EXPECT_EQ(*rest[1], 2);
}

TEST_F(generator_test, an_lvalue_that_was_yielded_is_not_moved_from) {
  generator<std::string> g([](auto& yield) {
    std::string mine(30, 'x');
    yield(mine);
    yield(std::to_string(mine.size()));
  });
  EXPECT_EQ(g.next(), std::string(30, 'x'));
  EXPECT_EQ(g.next(), "30");
}

TEST_F(generator_test, several_values_make_a_tuple_and_braces_a_value) {
  generator<std::tuple<int, std::string>> g([](auto& yield) {
    yield(1, "one");
    yield({2, "two"});
    yield(std::tuple(3, std::string("three")));
  });
  std::string all;
  for (auto&& [number, word] : g) all += std::to_string(number) + word;
  EXPECT_EQ(all, "1one2two3three");
}

TEST_F(generator_test, values_convert) {
  generator<std::string> g([](auto& yield) { yield("literal"); });
  EXPECT_EQ(g.next(), "literal");
  generator<const std::string&> by_reference([](auto& yield) { yield("literal"); });
  EXPECT_EQ(*by_reference.next(), "literal");
  struct picky {
    const int value;
    explicit picky(int v) : value(v) {}
  };
  generator<picky> p([](auto& yield) { yield(picky(5)); });
  EXPECT_EQ(p.next()->value, 5);
}

TEST_F(generator_test, peek_never_advances) {
  generator<int> g(counting(2));
  EXPECT_EQ(*g.peek(), 0);
  EXPECT_EQ(*g.peek(), 0);
  *g.peek() = 7;
  EXPECT_EQ(g.next(), 7);
  EXPECT_EQ(*g.begin(), 1);
  EXPECT_EQ(g.next(), 1);
  EXPECT_EQ(g.peek(), nullptr);
}

struct tree {
  tree *left = nullptr, *right = nullptr;
  int value = 0;
};
void walk(const tree* at, const std::function<void(const tree&)>& visit) {
  if (at == nullptr) return;
  walk(at->left, visit);
  visit(*at);
  walk(at->right, visit);
}

TEST_F(generator_test, a_tree_walk_is_one_fiber) {
  std::vector<tree> nodes(127);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (2 * i + 2 < nodes.size()) nodes[i].left = &nodes[2 * i + 1], nodes[i].right = &nodes[2 * i + 2];
  }
  int number = 0;
  walk(nodes.data(), [&](const tree& node) { const_cast<tree&>(node).value = number++; });
  EXPECT_EQ(stacks_taken([&] {
              generator<const tree&> g([&](auto& yield) { walk(nodes.data(), yield); });
              int expected = 0;
              for (const tree& node : g) EXPECT_EQ(node.value, expected++);
              EXPECT_EQ(expected, 127);
            }),
            1U);
}

TEST_F(generator_test, yield_all_hands_over_ranges_generators_and_each_objects) {
  struct pair_of_ones {
    void each(const std::function<void(int)>& callback) const { callback(1), callback(1); }
  };
  generator<int> g([](auto& yield) {
    yield.all(std::vector{7, 8});
    yield.all(generator<int>(counting(2)));
    yield.all(pair_of_ones());
  });
  EXPECT_EQ(collect(g), (std::vector{7, 8, 0, 1, 1, 1}));
}

TEST_F(generator_test, a_range_is_referred_to_or_kept) {
  std::vector<int> numbers{1, 2, 3};
  generator by_reference(numbers);
  static_assert(std::same_as<decltype(by_reference), generator<int&>>);
  EXPECT_EQ(by_reference.next(), numbers.data());
  EXPECT_EQ(by_reference.size(), 3U);
  generator<long> kept(std::vector{4, 5});
  EXPECT_EQ(collect(kept), (std::vector<long>{4, 5}));
  generator pairs(std::map<int, std::string>{{1, "one"}});
  EXPECT_EQ(pairs.next()->second, "one");
  generator<long> wider(generator<int>(counting(3)));
  EXPECT_EQ(collect(wider), (std::vector<long>{0, 1, 2}));
}

struct shelf {
  std::vector<std::string> books;
  static inline int walked = 0;
  template <class F>
  void each(F&& callback) const {
    ++walked;
    for (const std::string& book : books) callback(book);
  }
  [[nodiscard]] std::size_t size() const { return books.size(); }
};

TEST_F(generator_test, an_each_object_is_pulled_from) {
  shelf s{{"Emma", "Ulysses"}};
  generator<const std::string&> g(s);
  EXPECT_EQ(g.size(), 2U);
  EXPECT_EQ(g.next(), &s.books[0]);
  EXPECT_EQ(*g.next(), "Ulysses");
  EXPECT_EQ(g.next(), nullptr);
  generator<std::string> kept(shelf{{"Emma"}});
  EXPECT_EQ(kept.next(), "Emma");
}

TEST_F(generator_test, an_each_whose_callback_answers_is_pulled_from) {
  struct answering {
    int asked = 0;
    void each(const std::function<bool(int)>& callback) {
      for (int i = 0; callback(i); ++i) ++asked;
    }
  } source;
  generator<int> g(source);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(g.next(), i);
  EXPECT_EQ(source.asked, 3);
}

TEST_F(generator_test, the_size_is_given_or_computed_or_unknown) {
  EXPECT_EQ(generator<int>(counting(1)).size(), std::nullopt);
  EXPECT_EQ(generator<int>(counting(1), 42).size(), 42U);
  EXPECT_EQ(generator<int>(counting(1), ramie::endless).size(), ramie::endless);
  int asked = 0;
  generator<int> computed(counting(1), [&asked] { return static_cast<std::size_t>(++asked); });
  EXPECT_EQ(asked, 0);
  EXPECT_EQ(computed.size(), 1U);
  EXPECT_EQ(computed.size(), 2U);
  generator<int> perhaps(counting(1), [] { return std::optional<std::size_t>(); });
  EXPECT_EQ(perhaps.size(), std::nullopt);
  EXPECT_EQ(generator<int>().size(), std::nullopt);
}

TEST_F(generator_test, with_index_numbers_the_values) {
  generator<std::string> g(std::vector<std::string>{"a", "b"});
  std::string all;
  for (auto [number, word] : g.with_index(5)) all += std::to_string(number) + word;
  EXPECT_EQ(all, "5a6b");
  for (auto [number, word] : generator<int>(counting(2)).with_index()) EXPECT_EQ(number, word);
}

TEST_F(generator_test, errors_come_out_where_the_value_would_and_the_next_one_begins_anew) {
  int runs = 0;
  generator<int> g([&runs](auto& yield) {
    yield(++runs);
    if (runs == 1) throw std::runtime_error("once");
    yield(10);
  });
  EXPECT_EQ(g.next(), 1);
  EXPECT_THROW(g.next(), std::runtime_error);
  EXPECT_EQ(g.next(), 2);
  EXPECT_EQ(g.next(), 10);
  EXPECT_EQ(g.next(), std::nullopt);

  generator<int> in_loop([](auto& yield) {
    yield(1);
    throw 5;
  });
  int seen = 0;
  EXPECT_THROW(
      {
        for (int x : in_loop) seen += x;
      },
      int);
  EXPECT_EQ(seen, 1);
}

TEST_F(generator_test, the_result_of_the_function_is_dropped) {
  generator<int> g([](auto& yield) {
    yield(1);
    return std::string("dropped");
  });
  EXPECT_EQ(collect(g), std::vector{1});
}

TEST_F(generator_test, a_large_source_and_a_large_number_of_values) {
  std::array<long, 100> big{};
  std::iota(big.begin(), big.end(), 0);
  generator<long> g([big](auto& yield) {
    for (int round = 0; round < 1000; ++round) {
      for (long x : big) yield(x);
    }
  });
  EXPECT_EQ(std::accumulate(big.begin(), big.end(), 0L) * 1000, [&] {
    long sum = 0;
    for (long x : g) sum += x;
    return sum;
  }());
}

}  // namespace
}  // namespace generators
