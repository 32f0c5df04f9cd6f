// Elements made of the ones before, and elements with something beside them: produce, with_object.
//
// Status: experimental.
#pragma once

#include <ramie/views/select.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {

// seed, step(seed), step(step(seed)), …; without end, or until step returns an empty optional. An element is computed
// when it is asked for. Each begin() starts from the seed.
template <class Value, class Step>
class produce_view : public control::cursor_view<produce_view<Value, Step>> {
 public:
  produce_view(Value seed, Step step) : seed_(std::move(seed)), step_(std::move(step)) {}
  [[nodiscard]] std::optional<std::size_t> size() const {
    return may_end ? std::nullopt : std::optional<std::size_t>(SIZE_MAX);
  }

 private:
  friend control::cursor_view<produce_view>;
  static constexpr bool may_end = control::is_optional<std::invoke_result_t<Step&, Value&>>;
  struct cursor {
    using value_type = Value;
    Step* step;
    std::optional<Value> now;
    [[nodiscard]] const Value& read() { return *now; }
    void advance() { now = std::invoke(*step, *now); }
    [[nodiscard]] bool ended() const { return !now; }
  };
  cursor start() { return {std::addressof(step_), seed_}; }

  Value seed_;
  Step step_;
};

// Each element with the same object beside it: pairs of references. Memo is X& (referred to) or X (kept).
template <class Range, class Memo>
class with_object_view : public control::cursor_view<with_object_view<Range, Memo>> {
 public:
  with_object_view(Range range, Memo memo) : range_(static_cast<Range&&>(range)), memo_(static_cast<Memo&&>(memo)) {}
  [[nodiscard]] std::optional<std::size_t> size() const { return control::known_size(range_.get()); }
  [[nodiscard]] auto& object() { return memo_.get(); }

 private:
  friend control::cursor_view<with_object_view>;
  struct cursor {
    using value_type = std::pair<control::reference_of<Range>, std::remove_reference_t<Memo>&>;
    control::walk<Range> in;
    std::remove_reference_t<Memo>* memo;
    [[nodiscard]] value_type read() { return value_type(*in.at, *memo); }
    void advance() { ++in.at; }
    [[nodiscard]] bool ended() const { return in.ended(); }
  };
  cursor start() { return {control::walk<Range>(range_.get()), std::addressof(memo_.get())}; }

  control::kept_range<Range> range_;
  control::kept_range<Memo> memo_;
};

}  // namespace ramie

#pragma GCC visibility pop
