// Lazy chains over ranges and generators alike: what std::ranges of C++20 lacks and users of enumerators expect.
//
// Status: experimental.
//
//     namespace rv = ramie::views;
//     for (std::vector<int>& three : numbers | rv::chunk(3)) …
//     auto words = ramie::eager(rv::zip(names, ages) | rv::take_while(…));
//
// What C++23 has takes its name and means the same; each_slice, each_cons, with_index and chunk_while are other names
// of chunk, slide, enumerate and chunk_by. All are views: nothing is read before it is asked for, an lvalue range is
// referred to, an rvalue is kept. None makes a fiber; one that is over a generator uses the generator's.
//
//     take(n) drop(n) take_while(f) drop_while(f) compact uniq(key)       some of the elements
//     enumerate(offset) with_object(object)                               with something beside them
//     chunk(n) slide(n) chunk_by(f) slice_when(f)                         several at a time: std::vector
//     chain(a, b…) zip(a, b…) product(a, b…) cycle(times)                 several ranges, or one again
//     produce(seed, step)                                                 from nothing
//     ramie::eager(x) ramie::tally(x)                                     results; x: also an each(callback) object
//
// Values of types that hold references (pairs, tuples) are themselves the value_type, since C++20 has no common
// reference of tuples. Counts that make no sense throw std::invalid_argument when the view is made. `size()` is an
// optional as generator's is. clang 14 cannot compile libstdc++ 12's own std::views: ours work there, those with g++.
#pragma once

#include <ramie/each.hpp>
#include <ramie/views/combine.hpp>
#include <ramie/views/enumerate.hpp>
#include <ramie/views/group.hpp>
#include <ramie/views/pipe.hpp>
#include <ramie/views/produce.hpp>
#include <ramie/views/select.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#pragma GCC visibility push(default)
namespace ramie {

inline namespace v0 {
namespace control {

using std::ranges::input_range;

struct make_take {
  template <input_range Range>
  auto operator()(Range&& range, std::ptrdiff_t count) const {
    return take_view<Range>(std::forward<Range>(range), count);
  }
};
struct make_drop {
  template <input_range Range>
  auto operator()(Range&& range, std::ptrdiff_t count) const {
    return drop_view<Range>(std::forward<Range>(range), count);
  }
};
struct make_take_while {
  template <input_range Range, class Predicate>
  requires(std::predicate<Predicate&, reference_of<Range>>) auto operator()(Range&& range, Predicate accepts) const {
    return take_while_view<Range, Predicate>(std::forward<Range>(range), std::move(accepts));
  }
};
struct make_drop_while {
  template <input_range Range, class Predicate>
  requires(std::predicate<Predicate&, reference_of<Range>>) auto operator()(Range&& range, Predicate accepts) const {
    using policy = drop_while_policy<Predicate>;
    return kept_view<Range, policy>(std::forward<Range>(range), policy{std::move(accepts)});
  }
};
struct make_compact {
  template <input_range Range>
  auto operator()(Range&& range) const {
    return kept_view<Range, compact_policy>(std::forward<Range>(range), compact_policy{});
  }
};
struct make_uniq {
  template <input_range Range, class KeyOf = std::identity>
  auto operator()(Range&& range, KeyOf key_of = {}) const {
    using key = std::remove_cvref_t<std::invoke_result_t<KeyOf&, const value_of<Range>&>>;
    return kept_view<Range, uniq_policy<key, KeyOf>>(std::forward<Range>(range), {std::move(key_of)});
  }
};
struct make_enumerate {
  template <input_range Range, std::integral Index = std::ptrdiff_t>
  auto operator()(Range&& range, Index offset = 0) const {
    return enumerate_view<Range, Index>(std::forward<Range>(range), offset);
  }
};
struct make_with_object {
  template <input_range Range, class Memo>
  auto operator()(Range&& range, Memo&& memo) const {
    return with_object_view<Range, Memo>(std::forward<Range>(range), std::forward<Memo>(memo));
  }
};
struct make_chunk {
  template <input_range Range>
  auto operator()(Range&& range, std::ptrdiff_t count) const {
    return chunk_view<Range>(std::forward<Range>(range), count);
  }
};
struct make_slide {
  template <input_range Range>
  auto operator()(Range&& range, std::ptrdiff_t count) const {
    return slide_view<Range>(std::forward<Range>(range), count);
  }
};
template <class Range, class Relation>
concept relates = std::predicate < Relation&,
        const value_of<Range>
&, const value_of<Range>& > ;
struct make_chunk_by {
  template <input_range Range, class Relation>
  requires(relates<Range, Relation>) auto operator()(Range&& range, Relation together) const {
    return chunk_by_view<Range, Relation>(std::forward<Range>(range), std::move(together));
  }
};
struct make_slice_when {
  template <input_range Range, class Relation>
  requires(relates<Range, Relation>) auto operator()(Range&& range, Relation apart) const {
    return make_chunk_by{}(std::forward<Range>(range), std::not_fn(std::move(apart)));
  }
};
struct make_cycle {
  template <input_range Range>
  auto operator()(Range&& range, std::size_t times = SIZE_MAX) const {
    return cycle_view<Range>(std::forward<Range>(range), times);
  }
};

struct make_chain {
  template <input_range... Ranges>
  requires(sizeof...(Ranges) > 0) auto operator()(Ranges&&... ranges) const {
    return chain_view<Ranges...>(std::forward<Ranges>(ranges)...);
  }
};
struct make_zip {
  template <input_range... Ranges>
  requires(sizeof...(Ranges) > 0) auto operator()(Ranges&&... ranges) const {
    return zip_view<Ranges...>(std::forward<Ranges>(ranges)...);
  }
};
struct make_product {
  template <input_range... Ranges>
  auto operator()(Ranges&&... ranges) const {
    return product_view<Ranges...>(std::forward<Ranges>(ranges)...);
  }
};
struct make_produce {
  template <class Value, class Step>
  requires(std::invocable<Step&, Value&>) auto operator()(Value seed, Step step) const {
    return produce_view<Value, Step>(std::move(seed), std::move(step));
  }
};

template <class Key>
struct map_of : std::type_identity<std::map<Key, std::size_t>> {};
template <hashable Key>
struct map_of<Key> : std::type_identity<std::unordered_map<Key, std::size_t>> {};

}  // namespace control
}  // namespace v0

namespace views {

inline constexpr control::adaptor<control::make_take> take;
inline constexpr control::adaptor<control::make_drop> drop;
inline constexpr control::adaptor<control::make_take_while> take_while;
inline constexpr control::adaptor<control::make_drop_while> drop_while;
inline constexpr control::adaptor<control::make_compact> compact;
inline constexpr control::adaptor<control::make_uniq> uniq;
inline constexpr control::adaptor<control::make_enumerate> enumerate, with_index;
inline constexpr control::adaptor<control::make_with_object> with_object;
inline constexpr control::adaptor<control::make_chunk> chunk, each_slice;
inline constexpr control::adaptor<control::make_slide> slide, each_cons;
inline constexpr control::adaptor<control::make_chunk_by> chunk_by, chunk_while;
inline constexpr control::adaptor<control::make_slice_when> slice_when;
inline constexpr control::adaptor<control::make_cycle> cycle;
inline constexpr control::make_chain chain;
inline constexpr control::make_zip zip;
inline constexpr control::make_product product;
inline constexpr control::make_produce produce;

}  // namespace views

// All elements, in a vector.
template <class T = void, iterable Source>
auto eager(Source&& source) {
  using value = typename control::element_or<T, Source>::type;
  std::vector<value> all;
  if constexpr (std::ranges::sized_range<Source>) all.reserve(static_cast<std::size_t>(std::ranges::size(source)));
  visit_each(source, [&](auto&& element) { all.emplace_back(std::forward<decltype(element)>(element)); });
  return all;
}

// How often each element occurs: an unordered_map, or a map where there is no std::hash.
template <class T = void, iterable Source>
auto tally(Source&& source) {
  using value = typename control::element_or<T, Source>::type;
  typename control::map_of<value>::type counts;
  visit_each(source, [&](auto&& element) { ++counts[value(std::forward<decltype(element)>(element))]; });
  return counts;
}

}  // namespace ramie

#pragma GCC visibility pop
