// A place for what a function returns until somebody takes it: references and nothing included.
//
// Status: experimental.
//
// One writer, then one reader; whoever hands it over orders the two.
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {
namespace parking {

template <class R>
class returned {
 public:
  template <class F>
  void fill(F&& function) {
    if constexpr (std::is_void_v<R>) {
      std::forward<F>(function)();
      value_.emplace();
    } else if constexpr (std::is_reference_v<R>) {
      R&& result = std::forward<F>(function)();  // an rvalue's address, too
      value_.emplace(std::addressof(result));
    } else {
      value_.emplace(std::forward<F>(function)());
    }
  }
  R take() {
    if constexpr (std::is_reference_v<R>) {
      return static_cast<R>(**value_);
    } else if constexpr (!std::is_void_v<R>) {
      return std::move(*value_);
    }
  }
  [[nodiscard]] bool filled() const noexcept { return value_.has_value(); }

 private:
  using stored = std::conditional_t<std::is_void_v<R>, std::monostate,
                                    std::conditional_t<std::is_reference_v<R>, std::remove_reference_t<R>*, R>>;
  std::optional<stored> value_;
};

}  // namespace parking
}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
