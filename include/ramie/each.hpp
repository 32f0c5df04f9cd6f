// Internal iteration with early exit: the source calls, we listen until we have enough. Never a fiber.
//
// Status: experimental.
//
//     int a = ramie::first(numbers);                          // throws std::invalid_argument when there is none
//     int b = ramie::first_or(numbers, 0);
//     std::optional<user> u = ramie::find(users, [](const user& one) { return one.is_admin(); });
//
// A source is a range, an object with `each(callback)`, or a function that takes the callback itself. Of objects that
// are both, the range is used.
//
// What it costs to stop. A range: nothing, the loop is ours and ends. An each() whose callback answers "go on?" as a
// bool: nothing. It is known by its signature (only such callbacks fit) or because its type says so:
//
//     struct tree { static constexpr bool each_stops = true; … };    // each() returns when the callback answers false
//
// Any other each(): a private exception, one or two microseconds and more for deep ones; destructors of the source run.
// A source that swallows it in a catch (...) is thrown at again at its next value and otherwise does no harm; one that
// is noexcept is std::terminate.
//
// Thread rules: none of its own; everything happens within the call.
#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {

inline namespace v0 {
namespace control {

// Callbacks to ask a source's signature with.
struct silent_probe {
  template <class... Values>
  void operator()(Values&&...) const {}
};
struct answering_probe {
  template <class... Values>
  bool operator()(Values&&...) const {
    return true;
  }
};

template <class Source, class Callback>
concept has_each = requires(Source& source, Callback callback) {
  source.each(callback);
};
template <class Source>
concept each_object =
    !std::ranges::input_range<Source> && (has_each<Source, silent_probe> || has_each<Source, answering_probe>);
template <class Source>
concept push_function = !std::ranges::input_range<Source> && !each_object<Source> &&
                        (std::invocable<Source&, silent_probe> || std::invocable<Source&, answering_probe>);

template <class Source>
constexpr bool says_that_it_stops() {
  using plain = std::remove_cvref_t<Source>;
  if constexpr (requires { plain::each_stops; }) {
    return plain::each_stops;
  } else if constexpr (each_object<Source>) {
    return !has_each<Source, silent_probe>;
  } else {
    return !std::invocable<Source&, silent_probe>;
  }
}

template <class Source, class Callback>
void call_each(Source& source, Callback&& callback) {
  if constexpr (each_object<Source>) {
    source.each(std::forward<Callback>(callback));
  } else {
    std::invoke(source, std::forward<Callback>(callback));
  }
}

// Several values are one: a tuple of what they refer to.
template <class Value>
constexpr Value&& joined(Value&& value) noexcept {
  return std::forward<Value>(value);
}
template <class... Values>
requires(sizeof...(Values) != 1) constexpr std::tuple<Values&&...> joined(Values&&... values) noexcept {
  return std::tuple<Values&&...>(std::forward<Values>(values)...);
}

// Thrown through a source that knows no other way to stop. `iteration` tells nested ones apart.
struct stop_each {
  const void* iteration;
};

// Names what had no first element: "first: nothing in std::vector<int>".
[[noreturn]] void throw_empty(const char* asked, const char* function_with_type, const std::string& name);

template <class Source>
[[noreturn]] void throw_nothing_in(const char* asked, const Source& source) {
  if constexpr (requires { std::string(source.name()); }) {
    throw_empty(asked, __PRETTY_FUNCTION__, std::string(source.name()));
  } else {
    throw_empty(asked, __PRETTY_FUNCTION__, {});
  }
}

template <class Source>
struct element;
template <std::ranges::input_range Source>
struct element<Source> {
  using type = std::ranges::range_value_t<Source>;
};
template <class Source>
requires(!std::ranges::input_range<Source> && requires { typename Source::value_type; }) struct element<Source> {
  using type = typename Source::value_type;
};
// What first<T>(source) returns: T, or what the source's type says.
template <class T, class Source>
struct element_or {
  using type = T;
};
template <class Source>
struct element_or<void, Source> : element<std::remove_cvref_t<Source>> {};

}  // namespace control
}  // namespace v0

template <class Source>
concept iterable = std::ranges::input_range<Source> || control::each_object<Source> || control::push_function<Source>;

// What a source's elements are as values: a range's value type or the member type `value_type`. Where there is neither,
// say it: ramie::first<int>(source).
template <class Source>
using element_t = typename control::element<std::remove_cvref_t<Source>>::type;

// Calls `visit` with each element until it answers true, and returns whether it did. Throws what either throws.
template <iterable Source, class Visit>
bool visit_until(Source&& source, Visit&& visit) {
  if constexpr (std::ranges::input_range<Source>) {
    for (auto&& value : source) {
      if (visit(std::forward<decltype(value)>(value))) return true;
    }
    return false;
  } else if constexpr (control::says_that_it_stops<Source>()) {
    bool stopped = false;
    control::call_each(source, [&](auto&&... values) -> bool {
      if (!stopped) stopped = visit(control::joined(std::forward<decltype(values)>(values)...));
      return !stopped;
    });
    return stopped;
  } else {
    bool stopped = false;
    try {
      control::call_each(source, [&](auto&&... values) -> void {
        if (!stopped) stopped = visit(control::joined(std::forward<decltype(values)>(values)...));
        if (stopped) throw control::stop_each{&stopped};
      });
    } catch (const control::stop_each& stop) {
      if (stop.iteration != &stopped) throw;
    }
    return stopped;
  }
}

// Every element, to the end.
template <iterable Source, class Visit>
void visit_each(Source&& source, Visit&& visit) {
  visit_until(source, [&](auto&& value) {
    visit(std::forward<decltype(value)>(value));
    return false;
  });
}

// The first element that `accepts` answers true for, if there is one.
template <class T = void, iterable Source, class Predicate>
auto find(Source&& source, Predicate&& accepts) -> std::optional<typename control::element_or<T, Source>::type> {
  std::optional<typename control::element_or<T, Source>::type> found;
  visit_until(source, [&](auto&& value) {
    if (!accepts(std::as_const(value))) return false;
    found.emplace(std::forward<decltype(value)>(value));
    return true;
  });
  return found;
}

// The first element. Throws std::invalid_argument, which names the source's type, when there is none.
template <class T = void, iterable Source>
auto first(Source&& source) -> typename control::element_or<T, Source>::type {
  using value_type = typename control::element_or<T, Source>::type;
  if constexpr (std::ranges::input_range<Source>) {
    auto it = std::ranges::begin(source);
    if (it == std::ranges::end(source)) control::throw_nothing_in("first", source);
    return value_type(*it);
  } else {
    std::optional<value_type> found;
    visit_until(source, [&](auto&& value) {
      found.emplace(std::forward<decltype(value)>(value));
      return true;
    });
    if (!found) control::throw_nothing_in("first", source);
    return *std::move(found);
  }
}

// The first element, or `otherwise`.
template <class T = void, iterable Source, class Default>
auto first_or(Source&& source, Default&& otherwise) -> typename control::element_or<T, Source>::type {
  using value_type = typename control::element_or<T, Source>::type;
  if constexpr (std::ranges::input_range<Source>) {
    auto it = std::ranges::begin(source);
    if (it == std::ranges::end(source)) return value_type(std::forward<Default>(otherwise));
    return value_type(*it);
  } else {
    auto found = find<value_type>(source, [](const auto&) { return true; });
    return found ? *std::move(found) : value_type(std::forward<Default>(otherwise));
  }
}

template <iterable Source, class Predicate>
bool any_of(Source&& source, Predicate&& accepts) {
  return visit_until(source, [&](auto&& value) -> bool { return accepts(std::as_const(value)); });
}
template <iterable Source, class Predicate>
bool all_of(Source&& source, Predicate&& accepts) {
  return !visit_until(source, [&](auto&& value) -> bool { return !accepts(std::as_const(value)); });
}
template <iterable Source, class Predicate>
bool none_of(Source&& source, Predicate&& accepts) {
  return !any_of(source, accepts);
}
template <iterable Source, class Value>
bool contains(Source&& source, const Value& wanted) {
  return any_of(source, [&](const auto& value) { return value == wanted; });
}

// Least and greatest; of equal ones the first and the last, as std::ranges::minmax. Throws std::invalid_argument when
// there is none.
template <class T = void, iterable Source, class Less = std::ranges::less>
auto min_max(Source&& source, Less less = {})
    -> std::pair<typename control::element_or<T, Source>::type, typename control::element_or<T, Source>::type> {
  using value_type = typename control::element_or<T, Source>::type;
  std::optional<std::pair<value_type, value_type>> found;
  visit_each(source, [&](auto&& value) {
    if (!found) {
      value_type one(std::forward<decltype(value)>(value));
      found.emplace(one, one);
    } else if (less(std::as_const(value), found->first)) {
      found->first = std::forward<decltype(value)>(value);
    } else if (!less(std::as_const(value), found->second)) {
      found->second = std::forward<decltype(value)>(value);
    }
  });
  if (!found) control::throw_nothing_in("min_max", source);
  return *std::move(found);
}

}  // namespace ramie

#pragma GCC visibility pop
