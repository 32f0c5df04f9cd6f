// Several ranges, or one several times: chain, zip, product, cycle.
//
// Status: experimental.
#pragma once

#include <ramie/views/view.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#pragma GCC visibility push(default)
namespace ramie {

// One after the other; each is begun when the one before has ended.
template <class... Ranges>
requires(sizeof...(Ranges) > 0) class chain_view : public control::cursor_view<chain_view<Ranges...>> {
 public:
  explicit chain_view(Ranges... ranges) : ranges_(control::kept_range<Ranges>(static_cast<Ranges&&>(ranges))...) {}
  // Empty from the first range on whose size is not known; endless when one before that is.
  [[nodiscard]] std::optional<std::size_t> size() const {
    return std::apply(
        [](const auto&... each) {
          std::optional<std::size_t> sum = 0;
          ((sum && *sum != SIZE_MAX ? static_cast<void>(sum = add(*sum, control::known_size(each.get())))
                                    : static_cast<void>(0)),
           ...);
          return sum;
        },
        ranges_);
  }

 private:
  friend control::cursor_view<chain_view>;
  using reference = std::common_reference_t<control::reference_of<Ranges>...>;
  static std::optional<std::size_t> add(std::size_t sum, std::optional<std::size_t> more) {
    if (!more || *more == SIZE_MAX) return more;
    return sum + *more;
  }

  struct cursor {
    using value_type = std::common_type_t<control::value_of<Ranges>...>;
    chain_view* view;
    std::tuple<std::optional<control::walk<Ranges>>...> in = {};
    std::size_t which = 0;

    [[nodiscard]] reference read() { return read_from<0>(); }
    void advance() { step<0>(true); }
    [[nodiscard]] bool ended() const { return which == sizeof...(Ranges); }

    template <std::size_t I>
    reference read_from() {
      if constexpr (I + 1 < sizeof...(Ranges)) {
        if (which != I) return read_from<I + 1>();
      }
      return static_cast<reference>(*std::get<I>(in)->at);
    }
    // Goes one on (or only begins) in the range that it is in, and on to the next ones while they are empty.
    template <std::size_t I>
    void step(bool goes_on) {
      if constexpr (I < sizeof...(Ranges)) {
        if (which != I) return step<I + 1>(goes_on);
        auto& here = std::get<I>(in);
        if (goes_on) {
          ++here->at;
        } else {
          here.emplace(std::get<I>(view->ranges_).get());
        }
        if (!here->ended()) return;
        here.reset();
        ++which;
        step<I + 1>(false);
      }
    }
  };
  cursor start() {
    cursor made{this};
    made.template step<0>(false);
    return made;
  }

  std::tuple<control::kept_range<Ranges>...> ranges_;
};

// Tuples of one element of each; ends with the shortest, as std::views::zip.
template <class... Ranges>
class zip_view : public control::cursor_view<zip_view<Ranges...>> {
 public:
  explicit zip_view(Ranges... ranges) : ranges_(control::kept_range<Ranges>(static_cast<Ranges&&>(ranges))...) {}
  [[nodiscard]] std::optional<std::size_t> size() const {
    return std::apply(
        [](const auto&... each) {
          std::optional<std::size_t> least = SIZE_MAX;
          ((least = less(least, control::known_size(each.get()))), ...);
          return least;
        },
        ranges_);
  }

 private:
  friend control::cursor_view<zip_view>;
  static std::optional<std::size_t> less(std::optional<std::size_t> a, std::optional<std::size_t> b) {
    return a && b ? std::optional(std::min(*a, *b)) : std::nullopt;
  }
  struct cursor {
    using value_type = std::tuple<control::reference_of<Ranges>...>;
    std::tuple<control::walk<Ranges>...> in;
    [[nodiscard]] value_type read() {
      return std::apply([](auto&... each) { return value_type(*each.at...); }, in);
    }
    // The next of one is not asked for when an earlier one has ended.
    void advance() {
      std::apply([](auto&... each) { static_cast<void>(((++each.at, !each.ended()) && ...)); }, in);
    }
    [[nodiscard]] bool ended() const {
      return std::apply([](const auto&... each) { return (each.ended() || ...); }, in);
    }
  };
  cursor start() {
    return std::apply(
        [](auto&... each) {
          return cursor{std::tuple<control::walk<Ranges>...>(control::walk<Ranges>(each.get())...)};
        },
        ranges_);
  }

  std::tuple<control::kept_range<Ranges>...> ranges_;
};

// Every combination, the last range fastest. Of no ranges: one empty tuple. A range that can be walked only once gives
// its elements in the first round only.
template <class... Ranges>
class product_view : public control::cursor_view<product_view<Ranges...>> {
 public:
  explicit product_view(Ranges... ranges) : ranges_(control::kept_range<Ranges>(static_cast<Ranges&&>(ranges))...) {}
  // Zero when one has zero elements, whatever the others have.
  [[nodiscard]] std::optional<std::size_t> size() const {
    return std::apply(
        [](const auto&... each) -> std::optional<std::size_t> {
          const std::array<std::optional<std::size_t>, sizeof...(Ranges)> sizes = {control::known_size(each.get())...};
          if (std::find(sizes.begin(), sizes.end(), std::size_t{0}) != sizes.end()) return 0;
          std::size_t all = 1;
          for (const auto& size : sizes) {
            if (!size) return std::nullopt;
            if (__builtin_mul_overflow(all, *size, &all)) all = SIZE_MAX;
          }
          return all;
        },
        ranges_);
  }

 private:
  friend control::cursor_view<product_view>;
  struct cursor {
    using value_type = std::tuple<control::reference_of<Ranges>...>;
    product_view* view;
    std::tuple<std::optional<control::walk<Ranges>>...> in = {};
    bool over = false;

    [[nodiscard]] value_type read() {
      return std::apply([](auto&... each) { return value_type(*each->at...); }, in);
    }
    void advance() { over = !next<sizeof...(Ranges)>(); }
    [[nodiscard]] bool ended() const { return over; }

    // Begins range I and those after it; false when one is empty.
    template <std::size_t I>
    bool begin() {
      if constexpr (I < sizeof...(Ranges)) {
        auto& here = std::get<I>(in);
        here.emplace(std::get<I>(view->ranges_).get());
        return !here->ended() && begin<I + 1>();
      }
      return true;
    }
    // The next combination of the ranges before I. Ranges from I on are begun anew for it, as often as they are empty.
    template <std::size_t I>
    bool next() {
      if constexpr (I > 0) {
        auto& here = std::get<I - 1>(in);
        for (++here->at; !here->ended(); ++here->at) {
          if (begin<I>()) return true;
        }
        return next<I - 1>();
      }
      return false;
    }
  };
  cursor start() {
    cursor made{this};
    made.over = !made.template begin<0>();
    return made;
  }

  std::tuple<control::kept_range<Ranges>...> ranges_;
};

// All elements again and again, `times` times. What can be walked only once is remembered in the first round.
template <class Range>
class cycle_view : public control::cursor_view<cycle_view<Range>> {
 public:
  explicit cycle_view(Range range, std::size_t times = SIZE_MAX) : range_(static_cast<Range&&>(range)), times_(times) {}
  [[nodiscard]] std::optional<std::size_t> size() const {
    const auto all = control::known_size(range_.get());
    if (times_ == 0 || all == std::size_t{0}) return 0;
    if (!all) return std::nullopt;
    std::size_t product = 0;
    return __builtin_mul_overflow(*all, times_, &product) ? SIZE_MAX : product;
  }

 private:
  friend control::cursor_view<cycle_view>;
  static constexpr bool remembers = !std::ranges::forward_range<std::remove_reference_t<Range>>;
  using value = control::value_of<Range>;
  struct cursor {
    using value_type = value;
    using reference = std::conditional_t<remembers, value&, control::reference_of<Range>>;
    cycle_view* view;
    std::optional<control::walk<Range>> in = std::nullopt;
    std::vector<value> seen = {};
    std::size_t at = 0, round = 0;
    bool over = false;

    [[nodiscard]] reference read() {
      if constexpr (remembers) {
        return seen[at];
      } else {
        return *in->at;
      }
    }
    void begin() {
      over = view->times_ == 0;
      if (over) return;
      in.emplace(view->range_.get());
      over = in->ended();
      if constexpr (remembers) {
        if (!over) seen.emplace_back(*in->at);
      }
    }
    void advance() {
      if (round == 0 || !remembers) {
        ++in->at;
        if (!in->ended()) {
          if constexpr (remembers) {
            seen.emplace_back(*in->at);
            ++at;
          }
          return;
        }
        next_round();
        if constexpr (!remembers) {
          if (!over) in.emplace(view->range_.get());
        }
      } else if (++at == seen.size()) {
        next_round();
      }
    }
    void next_round() {
      at = 0;
      if (view->times_ != SIZE_MAX && round + 1 == view->times_) {
        over = true;
      } else {
        ++round;
      }
    }
    [[nodiscard]] bool ended() const { return over; }
  };
  cursor start() {
    cursor made{this};
    made.begin();
    return made;
  }

  control::kept_range<Range> range_;
  std::size_t times_;
};

}  // namespace ramie

#pragma GCC visibility pop
