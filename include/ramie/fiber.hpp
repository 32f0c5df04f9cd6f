// Fibers: functions that can stop in the middle and be continued. Control only: no scheduler, no thread.
//
// Status: stable.
//
//     ramie::fiber f([] { work(); ramie::this_fiber::suspend(); more(); }, {.name = "parser"});
//     while (f.resume()) {}          // true: it suspended; false: it ended; what escaped it is rethrown here
//
// Who may go where (Ruby's rules): resume() goes down and suspend() comes back up; transfer() goes across and only
// transfer() comes back. A fiber that waits for one it resumed cannot be continued by anybody else.
//
// A fiber that was started stays on its thread; one that was not may be moved anywhere. Each function here may be
// called from any thread unless it says otherwise: a started fiber of another thread answers fiber_errc::other_thread.
//
// Cost: a resume and its suspend take 3 to 6 ns where both are inlined, 192 bytes of control data and as much stack as
// the fiber touches, a page at least. The stack is taken at the first resume and goes back at the end.
#pragma once

#include <ramie/call_site.hpp>
#include <ramie/context/switch.hpp>
#include <ramie/error.hpp>
#include <ramie/label.hpp>
#include <ramie/stack.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {

struct fiber_options {
  std::size_t stack_bytes = 0;                   // 8 KiB to 128 MiB, 0: 64 KiB; colouring takes up to 960 of them
  label name = {};                               // shown in reports
  ramie::guard guard = ramie::guard::automatic;  // guard::none only for those who ask
};

enum class fiber_state {
  created,      // no stack yet
  running,      // on the processor, now
  resuming,     // waits for a fiber that it resumed
  suspended,    // left by suspend(): resume() brings it back
  transferred,  // left by transfer(): transfer() brings it back
  terminated,   // over; its handle may go
  left_behind   // of the process that this one was forked from
};
[[nodiscard]] const char* name_of(fiber_state state) noexcept;

inline namespace v0 {

// What is below is the machinery that the handles inline; not for direct use.
namespace control {

using context::control_block;

// How the function of a fiber is called and destroyed, wherever it is stored.
struct closure_operations {
  void (*run)(void* closure);
  void (*destroy)(void* closure) noexcept;
  const char* (*type)() noexcept;  // spells the function's type, somewhere in it: tells fibers apart in reports
  bool runs_again = false;         // kept when the fiber ends, until its handle dies: start_over()
  // The fiber is to be unwound: true when the function will end by itself if it is continued once more. Null: never.
  bool (*ends_by_itself)(void* closure) noexcept = nullptr;
};
inline constexpr std::size_t inline_closure_bytes = 40;

struct new_block {
  control_block* block;
  void* closure;  // inline_closure_bytes, aligned for a pointer
};
// Throws std::bad_alloc or stack_error (size); the caller then constructs the closure, which `operations` belong to.
new_block allocate_block(const fiber_options& options, const call_site& site, const closure_operations* operations);
void discard_block(control_block* block) noexcept;  // the closure could not be constructed

bool resume_slow(control_block* fiber);
bool after_resume_slow(control_block* fiber, std::uintptr_t message);
void suspend_slow();
void deliver_slow();
void check_resumer();
void transfer_slow(control_block* fiber);
void read_mail() noexcept;
bool raise(control_block* fiber, std::exception_ptr error);
bool kill(control_block* fiber);
void destroy(control_block* fiber) noexcept;  // the handle dies
// An ended fiber whose function runs again is created once more; home thread only, or any when it never started.
void start_over(control_block* fiber) noexcept;
// Unwinds it now, wholly, as its handle's death would; it must not be running. Home thread only: else other_thread.
void close(control_block* fiber);
[[nodiscard]] fiber_state state_of(const control_block* fiber) noexcept;
[[nodiscard]] stack_info stack_of(const control_block* fiber) noexcept;
[[nodiscard]] const char* name_of(const control_block* fiber) noexcept;
[[nodiscard]] call_site site_of(const control_block* fiber) noexcept;
[[nodiscard]] control_block* self_block();
[[noreturn]] void stale_reference(std::uint64_t id);

extern control_block nobody;  // what an empty handle names: every operation on it takes the slow path and throws

[[gnu::always_inline]] inline std::uintptr_t exception_bits(const context::thread_words* thread) noexcept {
  return reinterpret_cast<std::uintptr_t>(thread->exceptions->caught) | thread->exceptions->uncaught;
}
[[gnu::always_inline]] inline bool exceptions_in_flight(const context::thread_words* thread) noexcept {
  return exception_bits(thread) != 0;
}

// Many fibers live here: a loop over them visits control blocks at a constant stride, so the stack of the fiber that
// comes up in a few places is known now and can be on its way. Reads a neighbouring word of the slab, whatever it is.
[[gnu::always_inline]] inline void look_ahead(const control_block* from, const control_block* to) noexcept {
  const auto place = reinterpret_cast<std::uintptr_t>(to);
  const auto stride = static_cast<std::intptr_t>(place - reinterpret_cast<std::uintptr_t>(from));
  if (stride < context::prefetch_reach_bytes && stride > -context::prefetch_reach_bytes) {
    const std::uintptr_t ahead = place + static_cast<std::uintptr_t>(stride * context::prefetch_distance);
    context::prefetch_stack(*reinterpret_cast<const volatile std::uintptr_t*>(ahead));
  }
}

// Another thread dropped a handle of a fiber of this one: that is seen to before the switch, and may change anything.
[[gnu::always_inline]] inline bool has_mail(const context::thread_words* thread) noexcept {
  return (__atomic_load_n(&thread->attention, __ATOMIC_RELAXED) & context::has_mail) != 0;
}

// `guesses_the_next`: the caller does not say who comes next, so the stride of the blocks has to. `keeps_errno`: each
// side finds its own errno again; 0.9 ns.
template <bool guesses_the_next = true, bool keeps_errno = true>
[[gnu::always_inline]] inline bool resume(control_block* fiber) {
  context::thread_words* thread = context::this_thread_words();
  const std::uintptr_t sp = fiber->word;
  if ((sp & context::tag_mask) != 0 || fiber->home != thread || exceptions_in_flight(thread)) [[unlikely]] {
    return resume_slow(fiber);
  }
  if constexpr (guesses_the_next) {
    if (__atomic_load_n(&thread->attention, __ATOMIC_RELAXED) != 0) [[unlikely]] {
      if (has_mail(thread)) [[unlikely]]
        return resume_slow(fiber);
      if ((__atomic_load_n(&thread->attention, __ATOMIC_RELAXED) & context::prefetches) != 0) {
        look_ahead(thread->last, fiber);
        thread->last = fiber;
      }
    }
  }
  fiber->word = context::running;
  int caller_errno = 0;
  if constexpr (keeps_errno) {
    caller_errno = *thread->errno_pointer;
    *thread->errno_pointer = fiber->errno_value;
  }
  control_block* self = thread->current;
  thread->current = fiber;
  context::crossing crossing;
  crossing.depart(fiber);
  const context::arrival arrival = context::switch_and_wait(fiber, sp, context::plain, self);
  crossing.arrive();
  thread = context::this_thread_words();
  thread->current = self;
  arrival.who->word = arrival.sp;
  if constexpr (keeps_errno) {
    arrival.who->errno_value = *thread->errno_pointer;
    *thread->errno_pointer = caller_errno;
  }
  if ((arrival.message | exception_bits(thread)) != 0) [[unlikely]] {
    return after_resume_slow(arrival.who, arrival.message);
  }
  return true;
}

[[gnu::always_inline]] inline void transfer(control_block* fiber) {
  context::thread_words* thread = context::this_thread_words();
  const std::uintptr_t word = fiber->word;
  if ((word & context::tag_mask) != context::tag_transferred || fiber->home != thread || exceptions_in_flight(thread))
      [[unlikely]] {
    return transfer_slow(fiber);
  }
  control_block* self = thread->current;
  if (__atomic_load_n(&thread->attention, __ATOMIC_RELAXED) != 0) [[unlikely]] {
    if (has_mail(thread)) [[unlikely]]
      return transfer_slow(fiber);
    look_ahead(self, fiber);
  }
  // Control leaves the root's chain of resumes here, or comes back to where it left.
  if (thread->left == nullptr) {
    thread->left = self;
  } else if (thread->left == fiber) {
    thread->left = nullptr;
  }
  self->errno_value = *thread->errno_pointer;
  *thread->errno_pointer = fiber->errno_value;
  fiber->word = context::running;
  thread->current = fiber;
  context::crossing crossing;
  crossing.depart(fiber);
  const std::uintptr_t message =
      context::switch_across(word - context::tag_transferred, context::plain, self, context::tag_transferred);
  crossing.arrive();
  if (message != context::plain) [[unlikely]]
    deliver_slow();
}

// `self` is the running fiber.
[[gnu::always_inline]] inline void suspend(control_block* self) {
  const std::uintptr_t sp = self->resumer_sp;
  if (sp == 0) [[unlikely]]
    return suspend_slow();
  context::crossing crossing;
  crossing.depart(context::resumer_at(sp));
  const std::uintptr_t message = context::switch_back(sp, context::plain, self);
  crossing.arrive();
  if (message != context::plain) [[unlikely]]
    deliver_slow();
}

template <class F>
struct closure_of {
  static constexpr std::size_t size = sizeof(F), alignment = alignof(F);
  static constexpr bool is_inline = size <= inline_closure_bytes && alignment <= alignof(void*);
  static F& at(void* place) noexcept {
    if constexpr (is_inline) {
      return *std::launder(static_cast<F*>(place));
    } else {
      return **static_cast<F**>(place);
    }
  }
  static void run(void* place) { static_cast<void>(std::invoke(at(place))); }
  static void destroy(void* place) noexcept {
    if constexpr (is_inline) {
      std::destroy_at(&at(place));
    } else {
      delete &at(place);
    }
  }
  template <class G>
  static void construct(void* place, G&& from) {
    if constexpr (is_inline) {
      ::new (place) F(std::forward<G>(from));
    } else {
      *static_cast<F**>(place) = new F(std::forward<G>(from));
    }
  }
  static const char* type() noexcept { return __PRETTY_FUNCTION__; }
  static constexpr closure_operations operations = {&run, &destroy, &type};
  // For functions of the rooms above that know both.
  static bool end(void* place) noexcept { return at(place).end_by_itself(); }
  static constexpr closure_operations repeated() noexcept { return {&run, &destroy, &type, true, &end}; }
};

}  // namespace control

class fiber;

// A reference that owns nothing: it may be copied and kept, and answers with fiber_errc::terminated once the fiber and
// its handle are gone. Two words.
class fiber_ref {
 public:
  fiber_ref() noexcept = default;

  [[gnu::always_inline]] bool resume() { return control::resume(block()); }
  [[gnu::always_inline]] void transfer() { control::transfer(block()); }
  bool raise(std::exception_ptr error) { return control::raise(block(), std::move(error)); }
  bool kill() { return is_alive_reference() && control::kill(block_); }

  // Asking never throws: a stale or empty reference is one to something that has ended.
  [[nodiscard]] bool done() const noexcept { return state() == fiber_state::terminated; }
  [[nodiscard]] fiber_state state() const noexcept {
    return is_alive_reference() ? control::state_of(block_) : fiber_state::terminated;
  }
  [[nodiscard]] stack_info stack() const { return control::stack_of(block()); }
  [[nodiscard]] const char* name() const noexcept { return is_alive_reference() ? control::name_of(block_) : ""; }
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] call_site created_at() const { return control::site_of(block()); }

  friend bool operator==(const fiber_ref& a, const fiber_ref& b) noexcept {
    return a.block_ == b.block_ && a.id_ == b.id_;
  }

  // For rooms above: the reference to a block.
  explicit fiber_ref(context::control_block* block) noexcept : block_(block), id_(block->id) {}

 private:
  [[nodiscard]] bool is_alive_reference() const noexcept {
    return id_ != 0 && __atomic_load_n(&block_->id, __ATOMIC_RELAXED) == id_;
  }
  [[nodiscard]] context::control_block* block() const {
    if (!is_alive_reference()) [[unlikely]]
      control::stale_reference(id_);
    return block_;
  }

  context::control_block* block_ = &control::nobody;
  std::uint64_t id_ = 0;
};

// The owner of a fiber; move-only, one word. An empty one (default-made, moved from) throws fiber_errc::no_fiber.
//
// When the handle dies: a fiber not started is forgotten, its function destroyed, no stack ever taken; a suspended one
// is unwound where it stands, newest frame first, by forced unwinding (catch (...) blocks run and must rethrow); on
// another thread it is sent home and unwound at the home's next switch or end; one that runs, or resumes another, is a
// bug: a check fails and names both.
class fiber {
 public:
  fiber() noexcept = default;

  // Throws std::bad_alloc, stack_error for a size, what copying the function throws. About 10 ns; takes no stack.
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, fiber> &&
           std::invocable<std::decay_t<F>&>) explicit fiber(F&& body, fiber_options options = {},
                                                            call_site site = call_site::current()) {
    using closure = control::closure_of<std::decay_t<F>>;
    const control::new_block made = control::allocate_block(options, site, &closure::operations);
    if constexpr (std::is_nothrow_constructible_v<std::decay_t<F>, F> && closure::is_inline) {
      closure::construct(made.closure, std::forward<F>(body));
    } else {
      try {
        closure::construct(made.closure, std::forward<F>(body));
      } catch (...) {
        control::discard_block(made.block);
        throw;
      }
    }
    block_ = made.block;
  }

  fiber(fiber&& other) noexcept : block_(std::exchange(other.block_, &control::nobody)) {}
  fiber& operator=(fiber&& other) noexcept {
    if (this != &other) {
      context::control_block* mine = std::exchange(block_, std::exchange(other.block_, &control::nobody));
      if (mine != &control::nobody) control::destroy(mine);
    }
    return *this;
  }
  ~fiber() {
    if (block_ != &control::nobody) control::destroy(block_);
  }

  // Continues it until it suspends (true) or ends (false); rethrows what escaped its function, once. Throws
  // fiber_error when it cannot be resumed, and stack_error when a first resume finds no stack; then nothing changed.
  [[gnu::always_inline]] bool resume() { return control::resume(block_); }

  // Continues it in the caller's place: the caller is brought back by transfer() only. A fiber entered so and ending
  // returns to the fiber at which control left the thread's chain of resumes; what escapes it is thrown there.
  // To itself: does nothing.
  [[gnu::always_inline]] void transfer() { control::transfer(block_); }

  // Throws `error` where the fiber is suspended, and continues it as resume() (or transfer()) does: returns what that
  // returns. On itself, or on a fiber that is resuming the caller, throws right here.
  bool raise(std::exception_ptr error) { return control::raise(block_, std::move(error)); }

  // Unwinds it: destructors run, its function returns to nobody. Not started: it never will. On itself: does not
  // return. On a fiber that is resuming the caller: it is unwound when control comes back to it. False when it had
  // ended already. A destructor in it may suspend; kill() then returns and resume() goes on with the unwinding. A fiber
  // that is suspended inside a destructor or a noexcept function when it is killed ends in std::terminate: unwinding
  // may not pass such a frame.
  bool kill() { return control::kill(block_); }

  [[nodiscard]] bool done() const noexcept { return state() == fiber_state::terminated; }
  [[nodiscard]] fiber_state state() const noexcept {
    return block_ == &control::nobody ? fiber_state::terminated : control::state_of(block_);
  }
  [[nodiscard]] stack_info stack() const { return control::stack_of(block_); }
  [[nodiscard]] const char* name() const noexcept { return control::name_of(block_); }
  [[nodiscard]] std::uint64_t id() const noexcept { return block_->id; }
  [[nodiscard]] call_site created_at() const noexcept { return control::site_of(block_); }
  [[nodiscard]] explicit operator bool() const noexcept { return block_ != &control::nobody; }
  operator fiber_ref() const noexcept {  // NOLINT(google-explicit-constructor): owning converts to observing
    return block_ == &control::nobody ? fiber_ref{} : fiber_ref{block_};
  }

 private:
  friend std::size_t resume_each(std::span<fiber> fibers);
  context::control_block* block_ = &control::nobody;
};
static_assert(sizeof(fiber) == sizeof(void*));

namespace this_fiber {

// Gives control back to who resumed this fiber; returns when it is resumed again. Throws fiber_error (no_resumer) on a
// thread's own stack and in a fiber entered by transfer, and whatever raise() brought.
[[gnu::always_inline]] inline void suspend() { control::suspend(context::this_thread_words()->current); }

// Throws what suspend() would throw for want of a resumer, and does not suspend: for code that must know beforehand.
inline void check_can_suspend() {
  if (context::this_thread_words()->current->resumer_sp == 0) [[unlikely]]
    control::check_resumer();
}

// The running fiber; on a thread's own stack, the thread's root.
[[nodiscard]] inline fiber_ref ref() { return fiber_ref{control::self_block()}; }

}  // namespace this_fiber

// Resumes each fiber once, in order, skipping those that have ended; knowing who comes next, it fetches their stacks
// ahead. A throw stops it. Returns how many live on.
inline std::size_t resume_each(std::span<fiber> fibers) {
  constexpr std::size_t ahead = context::prefetch_distance;
  const std::size_t count = fibers.size();
  if (control::has_mail(context::this_thread_words())) [[unlikely]]
    control::read_mail();
  std::size_t living = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (i + ahead < count) context::prefetch_stack(fibers[i + ahead].block_->word);
    context::control_block* block = fibers[i].block_;
    if (block->word == context::ended || block == &control::nobody) [[unlikely]]
      continue;
    living += control::resume<false>(block) ? 1 : 0;
  }
  return living;
}

}  // namespace v0

// A value of its own in each fiber: a new fiber begins with a copy of its maker's, and neither sees the other's
// changes after that. On a thread's own stack it begins with `initial`. The object itself is usually static; T must be
// copyable. Cost: a search over the fiber's values, 5 ns for a few; making a fiber copies what its maker has.
template <std::copyable T>
class fiber_local;

namespace this_fiber {

// For fiber_local: finds the running fiber's copy, or null.
void* find_local(std::uint64_t key) noexcept;
struct local_operations {
  void* (*copy)(const void* value);
  void (*destroy)(void* value) noexcept;
};
void add_local(std::uint64_t key, void* value, const local_operations* operations);
void remove_local(std::uint64_t key) noexcept;
std::uint64_t new_local_key() noexcept;

}  // namespace this_fiber

template <std::copyable T>
class fiber_local {
 public:
  explicit fiber_local(T initial = T()) : initial_(std::move(initial)), key_(this_fiber::new_local_key()) {}
  fiber_local(const fiber_local&) = delete;
  fiber_local& operator=(const fiber_local&) = delete;

  // The running fiber's value, to read and to write. Valid until the fiber ends or reset() is called.
  [[nodiscard]] T& get() {
    if (void* found = this_fiber::find_local(key_)) return *static_cast<T*>(found);
    auto fresh = std::make_unique<T>(initial_);
    this_fiber::add_local(key_, fresh.get(), &operations);
    return *fresh.release();
  }
  [[nodiscard]] T& operator*() { return get(); }
  T* operator->() { return &get(); }
  fiber_local& operator=(T value) {
    get() = std::move(value);
    return *this;
  }
  // Back to the initial value, in the running fiber only.
  void reset() noexcept { this_fiber::remove_local(key_); }

 private:
  static constexpr this_fiber::local_operations operations = {
      [](const void* value) -> void* { return new T(*static_cast<const T*>(value)); },
      [](void* value) noexcept { delete static_cast<T*>(value); }};
  T initial_;
  std::uint64_t key_;
};

}  // namespace ramie

#pragma GCC visibility pop
