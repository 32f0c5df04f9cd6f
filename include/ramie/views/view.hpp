// What our views share: how they keep what they are over, and one iterator for all of them.
//
// Status: experimental.
//
// A view here is single pass in its type (an input_range) and as often readable as what it is
// over: begin() starts anew where that can start anew. It refers to an lvalue and keeps an rvalue. Nothing is read
// before begin(), and then no more than is asked for.
//
// Modelled through std::ranges::view_base, since clang 14 cannot derive from libstdc++ 12's view_interface nor compile
// its std::views; so own views work with both compilers, and `own | std::views::…` with g++.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {

inline namespace v0 {
namespace control {

// Range is X& (referred to) or X (kept).
template <class Range>
class kept_range {
 public:
  explicit kept_range(Range range) : range_(std::move(range)) {}
  [[nodiscard]] Range& get() { return range_; }
  [[nodiscard]] const Range& get() const { return range_; }

 private:
  Range range_;
};
template <class Range>
class kept_range<Range&> {
 public:
  explicit kept_range(Range& range) noexcept : range_(std::addressof(range)) {}
  [[nodiscard]] Range& get() const noexcept { return *range_; }

 private:
  Range* range_;
};

template <class Range>
using iterator_of = std::ranges::iterator_t<std::remove_reference_t<Range>>;
template <class Range>
using sentinel_of = std::ranges::sentinel_t<std::remove_reference_t<Range>>;
template <class Range>
using reference_of = std::ranges::range_reference_t<std::remove_reference_t<Range>>;
template <class Range>
using value_of = std::ranges::range_value_t<std::remove_reference_t<Range>>;

// Where a walk along a range stands.
template <class Range>
struct walk {
  iterator_of<Range> at;
  [[no_unique_address]] sentinel_of<Range> last;

  explicit walk(std::remove_reference_t<Range>& range) : at(std::ranges::begin(range)), last(std::ranges::end(range)) {}
  [[nodiscard]] bool ended() const { return at == last; }
};

// How many elements a range has, as far as that is known without walking: a size, an optional one (of generators and of
// the views here), or none.
template <class Range>
[[nodiscard]] std::optional<std::size_t> known_size(const Range& range) {
  if constexpr (std::ranges::sized_range<const Range>) {
    return static_cast<std::size_t>(std::ranges::size(range));
  } else if constexpr (requires { std::optional<std::size_t>(range.size()); }) {
    return std::optional<std::size_t>(range.size());
  } else {
    return std::nullopt;
  }
}

// The iterator of every view here. A cursor has value_type, reference read(), void advance(), bool ended().
template <class Cursor>
class cursor_iterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using difference_type = std::ptrdiff_t;
  using value_type = typename Cursor::value_type;

  explicit cursor_iterator(Cursor cursor) : cursor_(std::move(cursor)) {}

  [[nodiscard]] decltype(auto) operator*() const { return cursor_.read(); }
  cursor_iterator& operator++() {
    cursor_.advance();
    return *this;
  }
  void operator++(int) { cursor_.advance(); }
  friend bool operator==(const cursor_iterator& it, std::default_sentinel_t) { return it.cursor_.ended(); }

 private:
  mutable Cursor cursor_;
};

// A view of its derived class's cursors: start() makes one.
template <class Derived>
class cursor_view : public std::ranges::view_base {
 public:
  [[nodiscard]] auto begin() {
    auto& self = static_cast<Derived&>(*this);
    return cursor_iterator<decltype(self.start())>(self.start());
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
};

}  // namespace control
}  // namespace v0
}  // namespace ramie

#pragma GCC visibility pop
