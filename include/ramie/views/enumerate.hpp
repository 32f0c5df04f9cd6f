// Each element with its number.
//
// Status: experimental.
#pragma once

#include <ramie/views/view.hpp>

#include <concepts>
#include <cstddef>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {

// Pairs (number, element), the first number being `offset`; what views::enumerate and generator::with_index make.
template <class Range, std::integral Index = std::ptrdiff_t>
class enumerate_view : public control::cursor_view<enumerate_view<Range, Index>> {
 public:
  explicit enumerate_view(Range range, Index offset = 0) : range_(static_cast<Range&&>(range)), offset_(offset) {}
  [[nodiscard]] std::optional<std::size_t> size() const { return control::known_size(range_.get()); }

 private:
  friend control::cursor_view<enumerate_view>;
  struct cursor {
    using value_type = std::pair<Index, control::reference_of<Range>>;
    control::walk<Range> in;
    Index number;
    [[nodiscard]] value_type read() { return value_type(number, *in.at); }
    void advance() {
      ++in.at;
      ++number;
    }
    [[nodiscard]] bool ended() const { return in.ended(); }
  };
  cursor start() { return {control::walk<Range>(range_.get()), offset_}; }

  control::kept_range<Range> range_;
  Index offset_;
};

}  // namespace ramie

#pragma GCC visibility pop
