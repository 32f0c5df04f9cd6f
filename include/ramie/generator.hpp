// External over internal iteration: a function that pushes values, seen as a range that is pulled from.
//
// Status: experimental.
//
//     ramie::generator<node*> nodes([&](auto& yield) { walk(tree, [&](node* n) { yield(n); }); });
//     for (node* n : nodes) …                       // an input_range and a view, move-only
//     while (auto n = nodes.next()) …               // or by hand: std::optional<T>; a pointer for generator<T&>
//
// The source is a function that takes `yield`, an object with each(callback), or a range. It runs on one fiber, taken
// at the first value and given back at the end, so recursion inside costs nothing more: a tree walk is one fiber. When
// all that is wanted is one value or a search, ramie/each.hpp needs no fiber at all.
//
// Values. `yield(x)` hands over the address of x: generator<T&> and generator<const T&> copy nothing; generator<T>
// gives what std::generator gives, T&&: an rvalue is passed on and may be moved from, an lvalue is copied once. next()
// moves it out. yield(a, b) makes a T of several, of a tuple mostly. The result of the function is dropped (a dialogue
// with a result is a coroutine). The references are good until the next value is asked for.
//
// The end is an empty value, and ever after. A source that throws does so out of next(), ++ or begin(); the next value
// asked for begins a new run. Closing, rewinding and destroying unwind a run that has begun, exactly once.
//
// errno is nobody's across a step, as across any call: unlike a fiber's resume(), ++ and next() do not keep it.
// Thread rules and errors are the fiber's: a generator that has begun stays on its thread; its handle may die on
// another, then it is sent home to be unwound. Cost: 3 ns a value where yield() is inlined into the function; making
// one, taking one value and dropping it about 50 ns where no destructor is due, see docs/guide/generators.md; 192
// bytes, and a stack while it runs.
#pragma once

#include <ramie/each.hpp>
#include <ramie/fiber.hpp>
#include <ramie/views/enumerate.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {

// The size of what does not end.
inline constexpr std::size_t endless = SIZE_MAX;

template <class T>
class generator;

inline namespace v0 {
namespace control {

// What a generator's handle and its function share; it lives with the function, in the fiber's closure.
struct generator_place {
  void* current = nullptr;  // the value that waits to be taken; on the fiber's stack
  bool over = false;        // ran to its end or was closed: the end is repeated
  bool asks = false;        // the function looks at `closing` when it is continued, and returns
  bool closing = false;     // the generator is being closed, rewound or destroyed
};
extern generator_place nobodys_place;  // of an empty handle: never has a value

// A step brought no value although the run has not ended: it left by this_fiber::suspend().
void check_ended(const control_block* block);
// Throws where a run cannot be ended to begin a new one: the handle is empty, the body runs.
void check_rewindable(const control_block* block);
// Why yield() was called where it must not be.
[[noreturn]] void refuse_yield(const control_block* block, std::uint64_t id);

}  // namespace control

// What the function of a generator<T> calls. Copyable and kept safely: used after its iteration ended, or anywhere but
// in the generator's own fiber, it throws fiber_error (iteration_over, resuming_another, no_resumer, other_thread).
template <class T>
class pusher {
 public:
  // Hands over and returns when the next value is asked for.
  [[gnu::always_inline]] void operator()(T value) const requires(std::is_reference_v<T>) {
    hand_over(std::addressof(value));
  }
  [[gnu::always_inline]] void operator()(T&& value) const requires(!std::is_reference_v<T>) {
    hand_over(std::addressof(value));
  }
  template <class Value>
  requires(!std::is_reference_v<T> && !std::same_as<Value, T> && std::is_convertible_v<Value&&, T>)
      [[gnu::always_inline]] void
      operator()(Value&& value) const {
    T made(std::forward<Value>(value));
    hand_over(std::addressof(made));
  }
  template <class... Values>
  requires(!std::is_reference_v<T> && sizeof...(Values) != 1 && std::is_constructible_v<T, Values&&...>) void
  operator()(Values&&... values) const {
    T made(std::forward<Values>(values)...);
    hand_over(std::addressof(made));
  }

  // The same for sources that are better told to stop than unwound, C libraries above all: false when the generator is
  // being closed, rewound or destroyed; then return to your caller and out of the function, without another value.
  template <class Value>
  [[nodiscard]] bool wants_more(Value&& value) const {
    place_->asks = true;
    (*this)(std::forward<Value>(value));
    place_->asks = false;
    return !place_->closing;
  }

  // Every element of a range, of another generator or of an each(callback) object.
  template <class Source>
  requires(iterable<std::remove_reference_t<Source>>) void all(Source&& source) const {
    visit_each(source, [this](auto&& value) { (*this)(std::forward<decltype(value)>(value)); });
  }

 private:
  friend class generator<T>;
  pusher(control::generator_place* place, const context::control_block* block) noexcept
      : place_(place), block_(block), id_(block->id) {}

  template <class Pointer>
  [[gnu::always_inline]] void hand_over(Pointer value) const {
    context::control_block* self = context::this_thread_words()->current;
    if (self != block_ || self->id != id_) [[unlikely]]
      control::refuse_yield(block_, id_);
    place_->current = const_cast<void*>(static_cast<const volatile void*>(value));
    control::suspend(self);
    asm volatile("");  // the call that delivers a kill is no tail call: its caller's frame is still there to be known
  }

  control::generator_place* place_;
  const context::control_block* block_;
  std::uint64_t id_;
};

namespace control {

template <class Source>
constexpr bool is_plain_walk() {
  if constexpr (std::ranges::input_range<Source>) {
    return std::is_trivially_destructible_v<std::ranges::iterator_t<Source>> &&
           std::is_trivially_destructible_v<std::ranges::sentinel_t<Source>> &&
           (std::is_reference_v<std::ranges::range_reference_t<Source>> ||
            std::is_trivially_destructible_v<std::ranges::range_reference_t<Source>>);
  } else {
    return false;
  }
}

// A source of any kind as the function of a generator. Lvalues are referred to, rvalues kept.
template <class Source>
struct pushed {
  Source source;
  static constexpr bool holds_nothing = is_plain_walk<Source>();
  // The loop, or an each() that reads its callback's answer, ends when the generator is closed: nothing is unwound.
  // Where the loop holds nothing that has a destructor, letting go of its frame is cheaper still.
  template <class T>
  void operator()(const pusher<T>& yield) {
    if constexpr (holds_nothing) {
      for (auto&& value : source) yield(std::forward<decltype(value)>(value));
    } else if constexpr (std::ranges::input_range<Source>) {
      for (auto&& value : source) {
        if (!yield.wants_more(std::forward<decltype(value)>(value))) return;
      }
    } else if constexpr (says_that_it_stops<Source>()) {
      source.each([yield](auto&&... values) -> bool {
        return yield.wants_more(joined(std::forward<decltype(values)>(values)...));
      });
    } else {
      source.each(yield);
    }
  }
  [[nodiscard]] std::optional<std::size_t> size() const { return known_size(source); }
};

struct unknown_size {};
template <class Size>
concept size_answer = std::integral<Size> || std::invocable<Size&>;

template <class Body, class Size>
struct generator_source : generator_place {
  template <class B>
  generator_source(B&& b, Size s) : body(std::forward<B>(b)), size(std::move(s)) {}
  [[no_unique_address]] Body body;
  [[no_unique_address]] Size size;
};

template <class T>
struct pulled {
  using type = std::optional<T>;
};
template <class T>
struct pulled<T&> {
  using type = T*;
};

template <class T>
inline constexpr bool is_generator = false;
template <class T>
inline constexpr bool is_generator<generator<T>> = true;

template <class Source, class T>
concept generator_body = std::invocable < std::decay_t<Source>
&, pusher<T>& > ;
template <class Source>
concept generator_range =
    std::ranges::input_range<std::remove_reference_t<Source>> || each_object<std::remove_reference_t<Source>>;

}  // namespace control
}  // namespace v0

template <class T>
class [[nodiscard]] generator : public std::ranges::view_base {
  static_assert(!std::is_void_v<T> && !std::is_rvalue_reference_v<T>,
                "generator<T>: T is a value or an lvalue reference; values are handed over as T&& anyway");

 public:
  using value_type = std::remove_cvref_t<T>;
  using reference = std::conditional_t<std::is_reference_v<T>, T, T&&>;
  using pointer = std::remove_reference_t<T>*;
  using yield_type = pusher<T>;
  using next_type = typename control::pulled<T>::type;

  // Empty: every step throws fiber_errc::no_fiber. What a moved-from one is.
  generator() noexcept = default;

  // Runs `source` when the first value is asked for: a function that takes yield_type&, kept by value; a range or an
  // each(callback) object, referred to when it is an lvalue, kept when it is not. Throws std::bad_alloc, stack_error
  // for a size of stack, what copying the source throws.
  template <class Source>
  requires(!control::is_generator<std::remove_cvref_t<Source>> ||
           !std::same_as<std::remove_cvref_t<Source>, generator>) &&
      (control::generator_body<Source, T> ||
       control::generator_range<Source>)explicit generator(Source&& source, fiber_options options = {},
                                                           call_site site = call_site::current()) {
    make(std::forward<Source>(source), control::unknown_size{}, options, site);
  }

  // The same with a size that is known (an integer, ramie::endless) or computed when it is asked for (a function that
  // returns a std::size_t or an optional of one).
  template <class Source, control::size_answer Size>
  requires(control::generator_body<Source, T> || control::generator_range<Source>)
      generator(Source&& source, Size size, fiber_options options = {}, call_site site = call_site::current()) {
    make(std::forward<Source>(source), std::move(size), options, site);
  }

  generator(generator&& other) noexcept
      : block_(std::exchange(other.block_, &control::nobody)),
        place_(std::exchange(other.place_, &control::nobodys_place)),
        size_of_(std::exchange(other.size_of_, nullptr)) {}
  generator& operator=(generator&& other) noexcept {
    if (this == &other) return *this;
    const generator dying = std::move(*this);
    block_ = std::exchange(other.block_, &control::nobody);
    place_ = std::exchange(other.place_, &control::nobodys_place);
    size_of_ = std::exchange(other.size_of_, nullptr);
    return *this;
  }
  // Unwinds a run that has begun: destructors in it run, newest first. See fiber.
  ~generator() {
    if (block_ != &control::nobody) control::destroy(block_);
  }

  // The next value, moved out; a pointer to it for references; empty at the end, and ever after.
  next_type next() {
    if (!has_value() && !pull()) return next_type();
    if constexpr (std::is_reference_v<T>) {
      return static_cast<pointer>(std::exchange(place_->current, nullptr));
    } else {
      next_type taken(std::in_place, std::move(*static_cast<pointer>(place_->current)));
      place_->current = nullptr;
      return taken;
    }
  }

  // The value that next() will take, or null at the end. Never advances twice.
  pointer peek() { return has_value() || pull() ? static_cast<pointer>(place_->current) : nullptr; }

  // Unwinds a run that has begun; the generator is at its end. Called in the body itself it does not return.
  void close() {
    if (block_ == &control::nobody) return;
    place_->current = nullptr;
    place_->over = true;
    if (block_->word != context::ended) control::close(block_);
  }

  // Unwinds a run that has begun; the next value will be the first of a new run. The function is called again as it is,
  // with what earlier runs did to its captures. Refused while the body runs (fiber_error).
  void rewind() {
    if (block_->word == context::created) return;
    if (block_->word != context::ended) {
      control::check_rewindable(block_);
      close();
    }
    place_->current = nullptr;
    place_->over = false;
    if (block_ != &control::nobody) control::start_over(block_);
  }

  // How many values a whole run has, as far as that is known: given, computed, of the range, or unknown (empty).
  // ramie::endless when there is no end.
  [[nodiscard]] std::optional<std::size_t> size() const {
    return size_of_ == nullptr ? std::nullopt : size_of_(place_);
  }

  // Each value with its number, from `offset` on: a view of pairs. An lvalue is referred to.
  template <std::integral Index = std::ptrdiff_t>
  [[nodiscard]] auto with_index(Index offset = 0) & {
    return enumerate_view<generator&, Index>(*this, offset);
  }
  template <std::integral Index = std::ptrdiff_t>
  [[nodiscard]] auto with_index(Index offset = 0) && {
    return enumerate_view<generator, Index>(std::move(*this), offset);
  }

  [[nodiscard]] const char* name() const noexcept { return control::name_of(block_); }
  [[nodiscard]] explicit operator bool() const noexcept { return block_ != &control::nobody; }

  class iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using value_type = std::remove_cvref_t<T>;
    using difference_type = std::ptrdiff_t;

    iterator(iterator&&) noexcept = default;
    iterator& operator=(iterator&&) noexcept = default;
    ~iterator() = default;

    [[nodiscard]] reference operator*() const noexcept {
      return static_cast<reference>(*static_cast<pointer>(place_->current));
    }
    [[gnu::always_inline]] iterator& operator++() {
      step(block_, place_);
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& it, std::default_sentinel_t) noexcept {
      return it.place_->current == nullptr;
    }

   private:
    friend class generator;
    iterator(context::control_block* block, control::generator_place* place) noexcept : block_(block), place_(place) {}
    context::control_block* block_;
    control::generator_place* place_;
  };

  // Where it stands: the value that next() would take. Iterators stay good when the generator is moved, and know of
  // each other: there is one position.
  [[nodiscard]] iterator begin() {
    if (!has_value()) pull();
    return iterator(block_, place_);
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  // One more value is asked for, of a run that has not ended.
  [[gnu::always_inline]] static void step(context::control_block* block, control::generator_place* place) {
    place->current = nullptr;
    control::resume<false, false>(block);
    if (place->current == nullptr) [[unlikely]]
      control::check_ended(block);
  }
  // A value waits. (One of a run that was unwound from elsewhere does not: its stack is gone.)
  [[nodiscard]] bool has_value() const noexcept { return place_->current != nullptr && block_->word != context::ended; }
  bool pull() {
    if (control::has_mail(context::this_thread_words())) [[unlikely]]
      control::read_mail();
    if (block_->word == context::ended) [[unlikely]] {
      if (place_->over) return false;
      control::start_over(block_);  // it threw
    }
    step(block_, place_);
    return place_->current != nullptr;
  }

  template <class Source, class Size>
  void make(Source&& source, Size size, const fiber_options& options, const call_site& site) {
    if constexpr (control::generator_body<Source, T>) {
      make_of<std::decay_t<Source>>(std::forward<Source>(source), std::move(size), options, site);
    } else {
      using kept = control::pushed<Source>;  // an lvalue reference, or a value
      if constexpr (std::same_as<Size, control::unknown_size>) {
        size_of_ = [](const control::generator_place* place) {
          return static_cast<const held<kept, Size>*>(place)->body.size();
        };
      }
      make_of<kept>(kept{std::forward<Source>(source)}, std::move(size), options, site);
    }
  }

  // The function, and what its handle must know, as one closure.
  template <class Body, class Size>
  struct held : control::generator_source<Body, Size> {
    using control::generator_source<Body, Size>::generator_source;
    void operator()() {
      this->asks = this->closing = false;
      pusher<T> yield(this, context::this_thread_words()->current);
      static_cast<void>(std::invoke(this->body, yield));
      this->current = nullptr;
      this->over = true;
    }
    bool end_by_itself() noexcept {
      this->closing = this->asks;
      return this->closing;
    }
  };
  template <class Closure>
  static constexpr control::closure_operations operations_of = Closure::repeated();

  template <class Body, class B, class Size>
  void make_of(B&& body, Size size, const fiber_options& options, const call_site& site) {
    using source = held<Body, Size>;
    using closure = control::closure_of<source>;
    if constexpr (std::integral<Size>) {
      size_of_ = [](const control::generator_place* place) {
        return std::optional<std::size_t>(static_cast<std::size_t>(static_cast<const source*>(place)->size));
      };
    } else if constexpr (!std::same_as<Size, control::unknown_size>) {
      size_of_ = [](const control::generator_place* place) {
        auto& answer = const_cast<Size&>(static_cast<const source*>(place)->size);
        return std::optional<std::size_t>(std::invoke(answer));
      };
    }
    const control::new_block made = control::allocate_block(options, site, &operations_of<closure>);
    try {
      closure::construct(made.closure, source(std::forward<B>(body), std::move(size)));
    } catch (...) {
      control::discard_block(made.block);
      throw;
    }
    block_ = made.block;
    place_ = &closure::at(made.closure);
  }

  context::control_block* block_ = &control::nobody;
  control::generator_place* place_ = &control::nobodys_place;
  std::optional<std::size_t> (*size_of_)(const control::generator_place*) = nullptr;
};

template <std::ranges::input_range Range>
requires(!control::is_generator<std::remove_cvref_t<Range>>) explicit generator(Range&&, fiber_options = {},
                                                                                call_site = call_site::current())
    ->generator<std::ranges::range_reference_t<Range>>;

}  // namespace ramie

#pragma GCC visibility pop
