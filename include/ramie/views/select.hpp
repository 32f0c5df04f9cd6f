// Some of the elements: take, drop, take_while, drop_while, compact, uniq.
//
// Status: experimental.
#pragma once

#include <ramie/views/view.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <stdexcept>
#include <unordered_set>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {

inline namespace v0 {
namespace control {

inline std::size_t checked_count(std::ptrdiff_t count, std::ptrdiff_t least, const char* what) {
  if (count < least) throw std::invalid_argument(what);
  return static_cast<std::size_t>(count);
}

template <class Element>
inline constexpr bool is_optional = false;
template <class Element>
inline constexpr bool is_optional<std::optional<Element>> = true;

template <class Key>
concept hashable = requires(const Key& key) {
  std::hash<Key>()(key);
};
template <class Key>
struct set_of : std::set<Key> {};
template <hashable Key>
struct set_of<Key> : std::unordered_set<Key> {};

}  // namespace control
}  // namespace v0

// The first `count` elements. The one after the last is never asked for; of zero elements not even the first.
template <class Range>
class take_view : public control::cursor_view<take_view<Range>> {
 public:
  take_view(Range range, std::ptrdiff_t count)
      : range_(static_cast<Range&&>(range)), count_(control::checked_count(count, 0, "take: a negative count")) {}
  [[nodiscard]] std::optional<std::size_t> size() const {
    const auto all = control::known_size(range_.get());
    return count_ == 0 ? 0 : all ? std::optional(std::min(*all, count_)) : std::nullopt;
  }

 private:
  friend control::cursor_view<take_view>;
  struct cursor {
    using value_type = control::value_of<Range>;
    std::optional<control::walk<Range>> in;
    std::size_t left;
    [[nodiscard]] control::reference_of<Range> read() { return *in->at; }
    void advance() {
      if (--left != 0) ++in->at;
    }
    [[nodiscard]] bool ended() const { return left == 0 || in->ended(); }
  };
  cursor start() {
    cursor made{std::nullopt, count_};
    if (count_ != 0) made.in.emplace(range_.get());
    return made;
  }

  control::kept_range<Range> range_;
  std::size_t count_;
};

// All but the first `count` elements.
template <class Range>
class drop_view : public control::cursor_view<drop_view<Range>> {
 public:
  drop_view(Range range, std::ptrdiff_t count)
      : range_(static_cast<Range&&>(range)), count_(control::checked_count(count, 0, "drop: a negative count")) {}
  [[nodiscard]] std::optional<std::size_t> size() const {
    const auto all = control::known_size(range_.get());
    if (!all || *all == SIZE_MAX) return all;
    return *all > count_ ? *all - count_ : 0;
  }

 private:
  friend control::cursor_view<drop_view>;
  struct cursor {
    using value_type = control::value_of<Range>;
    control::walk<Range> in;
    [[nodiscard]] control::reference_of<Range> read() { return *in.at; }
    void advance() { ++in.at; }
    [[nodiscard]] bool ended() const { return in.ended(); }
  };
  cursor start() {
    cursor made{control::walk<Range>(range_.get())};
    for (std::size_t i = 0; i < count_ && !made.ended(); ++i) made.advance();
    return made;
  }

  control::kept_range<Range> range_;
  std::size_t count_;
};

// Elements up to the first for which `accepts` answers false. Each is asked about once.
template <class Range, class Predicate>
class take_while_view : public control::cursor_view<take_while_view<Range, Predicate>> {
 public:
  take_while_view(Range range, Predicate accepts) : range_(static_cast<Range&&>(range)), accepts_(std::move(accepts)) {}

 private:
  friend control::cursor_view<take_while_view>;
  struct cursor {
    using value_type = control::value_of<Range>;
    control::walk<Range> in;
    Predicate* accepts;
    bool over = false;
    [[nodiscard]] control::reference_of<Range> read() { return *in.at; }
    void advance() {
      ++in.at;
      look();
    }
    void look() { over = in.ended() || !std::invoke(*accepts, *in.at); }
    [[nodiscard]] bool ended() const { return over; }
  };
  cursor start() {
    cursor made{control::walk<Range>(range_.get()), std::addressof(accepts_)};
    made.look();
    return made;
  }

  control::kept_range<Range> range_;
  Predicate accepts_;
};

// Elements that a policy keeps; it has its own state in each walk. What drop_while, compact and uniq make.
template <class Range, class Policy>
class kept_view : public control::cursor_view<kept_view<Range, Policy>> {
 public:
  kept_view(Range range, Policy policy) : range_(static_cast<Range&&>(range)), policy_(std::move(policy)) {}

 private:
  friend control::cursor_view<kept_view>;
  // Optionals that are known to hold something are shown as what they hold.
  static constexpr bool unwraps = Policy::unwraps && control::is_optional<control::value_of<Range>>;
  template <class Element, bool>
  struct shown : std::type_identity<Element> {};
  template <class Element>
  struct shown<Element, true> {
    using held = decltype(*std::declval<Element>());
    using type = std::conditional_t<std::is_reference_v<Element>, held, std::remove_cvref_t<held>>;
  };
  struct cursor {
    using reference = typename shown<control::reference_of<Range>, unwraps>::type;
    using value_type = std::remove_cvref_t<reference>;
    control::walk<Range> in;
    Policy policy;
    [[nodiscard]] reference read() {
      if constexpr (unwraps) {
        return *static_cast<control::reference_of<Range>>(*in.at);
      } else {
        return *in.at;
      }
    }
    void advance() {
      ++in.at;
      look();
    }
    void look() {
      while (!in.ended() && !policy.keeps(*in.at)) ++in.at;
    }
    [[nodiscard]] bool ended() const { return in.ended(); }
  };
  cursor start() {
    cursor made{control::walk<Range>(range_.get()), policy_};
    made.look();
    return made;
  }

  control::kept_range<Range> range_;
  Policy policy_;
};

inline namespace v0 {
namespace control {

// drop_while: nothing until the predicate says false once.
template <class Predicate>
struct drop_while_policy {
  Predicate accepts;
  bool begun = false;
  static constexpr bool unwraps = false;
  template <class Element>
  bool keeps(Element&& element) {
    begun = begun || !std::invoke(accepts, element);
    return begun;
  }
};

// compact: what is something. Of optionals the value, of all else (pointers) what is true.
struct compact_policy {
  static constexpr bool unwraps = true;
  template <class Element>
  bool keeps(Element&& element) {
    return static_cast<bool>(element);
  }
};

// uniq: the first of each key; remembers the keys of this walk.
template <class Key, class KeyOf>
struct uniq_policy {
  KeyOf key_of;
  set_of<Key> seen = {};
  static constexpr bool unwraps = false;
  template <class Element>
  bool keeps(Element&& element) {
    return seen.insert(Key(std::invoke(key_of, std::as_const(element)))).second;
  }
};

}  // namespace control
}  // namespace v0
}  // namespace ramie

#pragma GCC visibility pop
