// Section C of the behaviour cases: what Enumerator does, as generator.
#include "cases/world.hpp"

#include <ramie/generator.hpp>
#include <ramie/views.hpp>

#include <cstdint>
#include <stdexcept>
#include <tuple>
#include <vector>

namespace cases {
namespace {

using ramie::generator;
namespace rv = ramie::views;

class enumerator_test : public clean_world {};

template <class View>
concept asks = requires(View& view) {
  view.next();
  view.peek();
};

generator<int> times(int count) {
  return generator<int>([count](auto& yield) {
    for (int i = 0; i < count; ++i) yield(i);
  });
}

// C01, C02: the end is an empty value that ends a loop; a result belongs to coroutine.
TEST_F(enumerator_test, three_values_come_and_then_the_end) {
  generator<int> e = times(3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(e.next(), i);
  EXPECT_EQ(e.next(), std::nullopt);
}
TEST_F(enumerator_test, a_loop_over_next_ends_silently_and_a_result_comes_from_a_coroutine) {
  generator<int> e = times(4);
  int sum = 0;
  while (auto x = e.next()) sum += *x;
  EXPECT_EQ(sum, 6);
  coroutine<std::string()> c([](auto& yield) {
    yield("value");
    return std::string("stopped");
  });
  EXPECT_EQ(c.resume(), "value");
  EXPECT_EQ(c.resume(), "stopped");
  EXPECT_TRUE(c.done());
}

// C03
TEST_F(enumerator_test, a_source_calls_next_of_another) {
  generator<std::string> inner([](auto& yield) {
    yield("ok1");
    yield("ok2");
  });
  generator<std::string> outer([&](auto& yield) {
    yield(*inner.next());
    yield(*inner.next());
  });
  EXPECT_EQ(outer.next(), "ok1");
  EXPECT_EQ(outer.next(), "ok2");
  EXPECT_EQ(outer.next(), std::nullopt);
}

// C04
TEST_F(enumerator_test, rewind_begins_from_the_start) {
  generator<int> e = times(3);
  EXPECT_EQ(e.next(), 0);
  EXPECT_EQ(e.next(), 1);
  e.rewind();
  EXPECT_EQ(e.next(), 0);
}

// C05
TEST_F(enumerator_test, peek_shows_what_next_takes_and_the_end_again_and_again) {
  generator<int> e = times(1);
  EXPECT_EQ(*e.peek(), 0);
  EXPECT_EQ(*e.peek(), 0);
  EXPECT_EQ(e.next(), 0);
  EXPECT_EQ(e.peek(), nullptr);
  EXPECT_EQ(e.peek(), nullptr);
}

// C06: a peeked value is the coming one itself, so changing it changes that one, and no other. generator<const T&>
// shows what cannot be changed.
TEST_F(enumerator_test, changing_a_peeked_value_leaves_the_ones_after_it_alone) {
  generator<std::vector<int>> e([](auto& yield) {
    const std::vector<int> each{1, 2};
    yield(each);
    yield(each);
  });
  e.peek()->push_back(3);
  EXPECT_EQ(e.next(), (std::vector{1, 2, 3}));
  EXPECT_EQ(e.next(), (std::vector{1, 2}));
  static_assert(std::same_as<decltype(std::declval<generator<const int&>&>().peek()), const int*>);
}

// C07
TEST_F(enumerator_test, none_one_or_two_values_make_one_of_a_type_that_takes_them) {
  struct shape {
    std::vector<int> values;
    shape() = default;
    shape(int a) : values{a} {}  // NOLINT(google-explicit-constructor): one value is a shape
    shape(int a, int b) : values{a, b} {}
  };
  generator<shape> e([](auto& yield) {
    for (int round = 0; round < 2; ++round) {
      yield();
      yield(1);
      yield(1, 2);
    }
  });
  EXPECT_EQ(e.peek()->values, std::vector<int>());
  EXPECT_EQ(e.next()->values, std::vector<int>());
  EXPECT_EQ(e.next()->values, (std::vector{1}));
  EXPECT_EQ(e.peek()->values, (std::vector{1, 2}));
  EXPECT_EQ(e.next()->values, (std::vector{1, 2}));
  EXPECT_EQ(e.next()->values, std::vector<int>());
  e.rewind();
  EXPECT_EQ(e.peek()->values, std::vector<int>());
}

// C10, C11: feed is a value in at each step, so a coroutine; what may be left out is an optional.
TEST_F(enumerator_test, feeding_is_a_coroutines_business) {
  std::vector<std::optional<int>> got;
  coroutine<int(std::optional<int>)> c([&](auto& yield, std::optional<int>) {
    for (int i = 1; i < 3; ++i) got.push_back(yield(i));
    return 10;
  });
  EXPECT_EQ(c.resume({}), 1);
  EXPECT_EQ(c.resume(100), 2);
  EXPECT_EQ(c.resume({}), 10);
  EXPECT_EQ(got, (std::vector<std::optional<int>>{100, std::nullopt}));
}

// C14
TEST_F(enumerator_test, with_index_counts_from_any_integer) {
  const auto first_index = [](auto offset) { return ramie::first(times(2).with_index(offset)).first; };
  EXPECT_EQ((*times(1).with_index().begin()).first, 0);
  EXPECT_EQ(first_index(5), 5);
  EXPECT_EQ(first_index(std::int64_t{1} << 62), std::int64_t{1} << 62);
  EXPECT_EQ(first_index(std::uint64_t{1} << 63), std::uint64_t{1} << 63);
  std::uint64_t last = 0;
  for (auto [i, x] : times(3).with_index((std::uint64_t{1} << 63) - 1)) last = i;
  EXPECT_EQ(last, (std::uint64_t{1} << 63) + 1);
}

// C15
TEST_F(enumerator_test, with_object_passes_the_same_object_each_time) {
  std::vector<int> numbers{1, 2, 1, 3, 2}, seen, repeated;
  for (auto [x, memo] : rv::with_object(numbers, seen)) {
    EXPECT_EQ(&memo, &seen);
    if (ramie::contains(memo, x)) {
      repeated.push_back(x);
    } else {
      memo.push_back(x);
    }
  }
  EXPECT_EQ(seen, (std::vector{1, 2, 3}));
  EXPECT_EQ(repeated, (std::vector{1, 2}));
}

// C16
TEST_F(enumerator_test, sizes_are_given_computed_endless_or_unknown) {
  const auto source = [](auto& yield) { yield(1); };
  EXPECT_EQ(generator<int>(source).size(), std::nullopt);
  EXPECT_EQ(generator<int>(source, 42).size(), 42U);
  EXPECT_EQ(generator<int>(source, [] { return std::size_t{42}; }).size(), 42U);
  EXPECT_EQ(generator<int>(source, ramie::endless).size(), ramie::endless);
  const std::vector<int> ten(10);
  EXPECT_EQ(rv::each_slice(ten, 3).size(), 4U);
  EXPECT_EQ(rv::each_cons(ten, 3).size(), 8U);
  EXPECT_EQ(rv::cycle(ten, 2).size(), 20U);
  EXPECT_EQ(rv::cycle(ten).size(), ramie::endless);
  EXPECT_EQ(rv::cycle(std::vector<int>()).size(), 0U);
}

// C18, C20: a chain is a view: it has neither next() nor peek(); make a generator of it.
TEST_F(enumerator_test, a_chain_goes_in_order_and_adds_sizes) {
  const std::vector<int> a{1, 2}, b{3};
  auto chain = rv::chain(a, b, rv::chain(a, b));
  EXPECT_EQ(ramie::eager(chain), (std::vector{1, 2, 3, 1, 2, 3}));
  EXPECT_EQ(chain.size(), 6U);
  generator<int> unknown = times(1), endless_one([](auto&yield) { yield(1); }, ramie::endless);
  EXPECT_EQ(rv::chain(a, unknown, endless_one).size(), std::nullopt);
  EXPECT_EQ(rv::chain(a, endless_one, unknown).size(), ramie::endless);
  static_assert(!asks<decltype(chain)> && asks<generator<int>>);
}

// C21
TEST_F(enumerator_test, lazy_chains_are_pulled_from_outside) {
  const auto from = [](int first, int parity) {
    return generator<int>([=](auto& yield) {
      for (int i = first;; ++i) {
        if (i % 2 == parity) yield(i);
      }
    });
  };
  auto chain = rv::chain(from(10, 0) | rv::take(10), from(20, 1));
  generator<int> thirds([&](auto& yield) {
    for (int x : chain) {
      if (x % 3 == 0) yield(x);
    }
  });
  for (int expected : {12, 18, 24, 21, 27, 33}) EXPECT_EQ(thirds.next(), expected);
}

// C22
TEST_F(enumerator_test, produce_computes_only_what_is_asked_for) {
  std::vector<int> passed;
  auto numbers = rv::produce(1, [&](int x) {
    passed.push_back(x);
    return x + 1;
  });
  EXPECT_EQ(ramie::eager(numbers | rv::take(3)), (std::vector{1, 2, 3}));
  EXPECT_EQ(passed, (std::vector{1, 2}));
  EXPECT_EQ(numbers.size(), ramie::endless);
  auto ending = rv::produce(3, [](int x) { return x > 1 ? std::optional(x - 1) : std::nullopt; });
  EXPECT_EQ(ramie::eager(ending), (std::vector{3, 2, 1}));
  EXPECT_EQ(ending.size(), std::nullopt);
}

// C23
TEST_F(enumerator_test, products_of_none_one_and_two) {
  EXPECT_EQ(ramie::eager(rv::product()).size(), 1U);
  EXPECT_EQ(rv::product().size(), 1U);
  const std::vector<int> a{1, 2};
  const std::vector<char> b{'x', 'y'};
  std::string all;
  for (auto [x] : rv::product(a)) all += std::to_string(x);
  for (auto [x, y] : rv::product(a, b)) all += std::to_string(x) + y;
  EXPECT_EQ(all, "121x1y2x2y");
  generator<int> infinite([](auto& yield) { yield(1); }, ramie::endless);
  EXPECT_EQ(rv::product(infinite, std::vector<int>()).size(), 0U);
  EXPECT_EQ(rv::product(infinite, a).size(), ramie::endless);
  generator<int> unknown = times(2);
  EXPECT_EQ(rv::product(infinite, unknown).size(), std::nullopt);
}

// C24
TEST_F(enumerator_test, a_factor_that_can_be_walked_once_gives_its_elements_in_the_first_round) {
  const std::vector<char> letters{'a', 'b'};
  generator<int> once = times(3);
  std::string all;
  for (auto [letter, x] : rv::product(letters, once)) all += letter + std::to_string(x) + ' ';
  EXPECT_EQ(all, "a0 a1 a2 ");
}

// C25
TEST_F(enumerator_test, locals_are_inherited_and_writes_inside_stay_inside) {
  static ramie::fiber_local<int> local(0);
  local = 7;
  const fiber_ref outside = this_fiber::ref();
  generator<int> e([&](auto& yield) {
    EXPECT_FALSE(this_fiber::ref() == outside);
    yield(local.get());
    local = 9;
    yield(local.get());
  });
  EXPECT_EQ(e.next(), 7);
  EXPECT_EQ(e.next(), 9);
  EXPECT_EQ(local.get(), 7);
  local.reset();
}

// The rule behind several cases: what throws is begun anew.
TEST_F(enumerator_test, a_source_that_throws_begins_anew_at_the_next_value) {
  int runs = 0;
  generator<int> e([&](auto& yield) {
    yield(++runs);
    throw std::runtime_error("source");
  });
  for (int run = 1; run <= 3; ++run) {
    EXPECT_EQ(e.next(), run);
    EXPECT_THROW(e.next(), std::runtime_error);
  }
}

}  // namespace
}  // namespace cases
