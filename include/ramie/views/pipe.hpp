// range | adaptor(arguments...): what lets our views stand in a chain, after ranges of any kind.
//
// Status: experimental.
#pragma once

#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {

inline namespace v0 {
namespace control {

// An adaptor with its arguments, waiting for its range.
template <class Make, class... Arguments>
struct pipe {
  std::tuple<Arguments...> arguments;

  template <std::ranges::input_range Range>
  requires(std::is_invocable_v<Make, Range, Arguments...>) friend auto operator|(Range&& range, pipe self) {
    return std::apply(
        [&](Arguments&... each) { return Make{}(std::forward<Range>(range), static_cast<Arguments&&>(each)...); },
        self.arguments);
  }
};

// Make{}(range, arguments...) makes the view. Called with a range first it does, called without it makes a pipe.
template <class Make>
struct adaptor {
  template <class Range, class... Arguments>
  requires(std::is_invocable_v<Make, Range, Arguments...>) constexpr auto operator()(Range&& range,
                                                                                     Arguments&&... arguments) const {
    return Make{}(std::forward<Range>(range), std::forward<Arguments>(arguments)...);
  }
  template <class... Arguments>
  requires(!std::is_invocable_v<Make, Arguments...>) constexpr auto operator()(Arguments&&... arguments) const {
    return pipe<Make, Arguments...>{std::tuple<Arguments...>(std::forward<Arguments>(arguments)...)};
  }
};

}  // namespace control
}  // namespace v0
}  // namespace ramie

#pragma GCC visibility pop
