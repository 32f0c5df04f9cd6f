// A fiber with values both ways: its holder sends one in and gets one out at each step. Stackful; nothing to do with
// co_await.
//
// Status: stable.
//
//     ramie::coroutine<int(std::string)> length([](auto& yield, std::string first) {
//       std::string next = yield(static_cast<int>(first.size()));   // out, then in
//       return static_cast<int>(next.size());                       // the last value; done() tells it from the others
//     });
//     int a = length.resume("hello"), b = length.resume("you");
//
// For a sequence of values in one direction use generator; for no values at all, fiber.
// Thread rules, lifetimes and errors are those of the fiber inside. Values are moved, never copied: move-only types
// work, and references (coroutine<T&(U&)>) pass through. A step costs a resume and suspend and the moves.
#pragma once

#include <ramie/fiber.hpp>

#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace ramie {

template <class Signature>
class coroutine;
template <class Signature>
class yielder;

inline namespace v0 {
namespace control {

[[noreturn]] inline void throw_no_value() {
  throw fiber_error(fiber_errc::no_value,
                    "this step of the coroutine brought no value: it was killed, or one side went "
                    "on by this_fiber::suspend() or fiber_ref::resume()");
}

// A value on its way: an optional that can also hold a reference, or nothing at all.
template <class T>
class passed {
 public:
  template <class U>
  void put(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  // Throws fiber_errc::no_value when there is none.
  T take() {
    if (!value_) [[unlikely]]
      throw_no_value();
    T taken = std::move(*value_);
    value_.reset();
    return taken;
  }
  void clear() noexcept { value_.reset(); }

 private:
  std::optional<T> value_;
};
template <class T>
class passed<T&> {
 public:
  void put(T& value) noexcept { value_ = std::addressof(value); }
  T& take() {
    if (value_ == nullptr) [[unlikely]]
      throw_no_value();
    return *std::exchange(value_, nullptr);
  }
  void clear() noexcept { value_ = nullptr; }

 private:
  T* value_ = nullptr;
};
template <>
class passed<void> {
 public:
  void take() noexcept {}
  void clear() noexcept {}
};

// What yield() returns: nothing, the one value that resume() was given, or all of them.
template <class... In>
struct received {
  using type = std::tuple<In...>;
};
template <>
struct received<> {
  using type = void;
};
template <class In>
struct received<In> {
  using type = In;
};

template <class Out, class... In>
struct exchange_place {
  passed<Out> out;
  std::optional<std::tuple<In...>> in;

  // Throws fiber_errc::no_value when there should be values and are none.
  std::tuple<In...> take_in() {
    if constexpr (sizeof...(In) == 0) {
      in.reset();
      return {};
    } else {
      if (!in) [[unlikely]]
        throw_no_value();
      std::tuple<In...> taken = std::move(*in);
      in.reset();
      return taken;
    }
  }
};

// Suspends and hands over what the next resume() brings.
template <class Out, class... In>
typename received<In...>::type next_values(exchange_place<Out, In...>& place) {
  this_fiber::suspend();
  std::tuple<In...> values = place.take_in();
  if constexpr (sizeof...(In) == 1) {
    return static_cast<typename received<In...>::type>(std::get<0>(std::move(values)));
  } else if constexpr (sizeof...(In) > 1) {
    return values;
  }
}

}  // namespace control
}  // namespace v0

// What the function of a coroutine calls to hand a value out and wait for the next one in.
template <class Out, class... In>
class yielder<Out(In...)> {
 public:
  using in_type = typename control::received<In...>::type;

  yielder(const yielder&) = delete;
  yielder& operator=(const yielder&) = delete;

  // Out to who resumed; returns what the next resume() brings. Throws what raise() brings.
  in_type operator()(Out value) requires(!std::is_void_v<Out>) {
    place_.out.put(std::forward<Out>(value));
    return control::next_values(place_);
  }

 private:
  friend class coroutine<Out(In...)>;
  explicit yielder(control::exchange_place<Out, In...>& place) noexcept : place_(place) {}
  control::exchange_place<Out, In...>& place_;
};

// The same for a coroutine that gives nothing out: yield().
template <class... In>
class yielder<void(In...)> {
 public:
  using in_type = typename control::received<In...>::type;

  yielder(const yielder&) = delete;
  yielder& operator=(const yielder&) = delete;

  in_type operator()() { return control::next_values(place_); }

 private:
  friend class coroutine<void(In...)>;
  explicit yielder(control::exchange_place<void, In...>& place) noexcept : place_(place) {}
  control::exchange_place<void, In...>& place_;
};

template <class Out, class... In>
class coroutine<Out(In...)> {
 public:
  using yield_type = yielder<Out(In...)>;

  coroutine() noexcept = default;
  coroutine(coroutine&&) noexcept = default;
  // The other way round than the default: the fiber that is here is unwound while its place still stands.
  coroutine& operator=(coroutine&& other) noexcept {
    fiber_ = std::move(other.fiber_);
    place_ = std::move(other.place_);
    return *this;
  }
  ~coroutine() = default;

  // `body` is called at the first resume() with (yield, that resume's values...) and returns the last Out.
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, coroutine> &&
           std::is_invocable_r_v<Out, std::decay_t<F>&, yield_type&,
                                 In...>) explicit coroutine(F&& body, fiber_options options = {},
                                                            call_site site = call_site::current())
      : place_(std::make_unique<control::exchange_place<Out, In...>>()),
        fiber_(
            [place = place_.get(), body = std::decay_t<F>(std::forward<F>(body))]() mutable {
              yield_type yield(*place);
              std::tuple<In...> first = place->take_in();
              auto call = [&](In&... values) -> Out { return std::invoke(body, yield, static_cast<In&&>(values)...); };
              if constexpr (std::is_void_v<Out>) {
                std::apply(call, first);
              } else {
                place->out.put(std::apply(call, first));
              }
            },
            options, site) {}

  // Sends the values in and returns what comes out: at a yield, or at the end, done() tells which. Throws what escapes
  // the body, and fiber_errc::iteration_over after the end. A step that ends without a value (the body kills itself, or
  // calls this_fiber::suspend() instead of yield) throws fiber_errc::no_value; a yield() whose step brings none in (by
  // ref().resume()) throws the same inside.
  Out resume(In... values) {
    if (fiber_.done()) throw_ended();
    place_->in.emplace(std::forward<In>(values)...);
    try {
      fiber_.resume();
    } catch (...) {
      place_->in.reset();
      throw;
    }
    return place_->out.take();
  }

  // Throws `error` out of the yield() at which the coroutine waits; returns what it then gives out.
  Out raise(std::exception_ptr error) {
    if (fiber_.done()) throw_ended();
    fiber_.raise(std::move(error));
    return place_->out.take();
  }

  // Unwinds it; what it would have given out is dropped. False when it had ended already.
  bool kill() {
    const bool killed = fiber_ && fiber_.kill();
    if (place_) place_->out.clear();
    return killed;
  }

  [[nodiscard]] bool done() const noexcept { return fiber_.done(); }
  [[nodiscard]] fiber_ref ref() const noexcept { return fiber_; }

 private:
  [[noreturn]] void throw_ended() const {
    if (!fiber_) throw fiber_error(fiber_errc::no_fiber, "cannot resume: the coroutine is empty");
    throw fiber_error(fiber_errc::iteration_over, "cannot resume: the coroutine has returned its last value");
  }

  // Declared before the fiber: the fiber is unwound while the place still stands.
  std::unique_ptr<control::exchange_place<Out, In...>> place_;
  fiber fiber_;
};

}  // namespace ramie
