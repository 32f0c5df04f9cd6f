#include "park/park.hpp"

#include "base/check.hpp"
#include "os/clock.hpp"
#include "os/futex.hpp"
#include "park/slice.hpp"

#include <cstdio>
#include <utility>

namespace ramie::inline v0::parking {

constinit std::atomic<std::uint32_t> threads_at_rest = 0;

namespace {

void open_wake(letter& sent) noexcept {
  auto& one = static_cast<waiter&>(sent);
  one.home->make_ready(*one.who);
}

void block_thread(waiter& me) noexcept {
  while (me.state.load(std::memory_order_acquire) == waiting) os::futex_wait(me.state, waiting);
}

// Leaves the running chain; comes back when it was made ready.
[[gnu::always_inline]] inline void leave_for(host& here, parked& me, waiter& on, const wait_kind& kind) noexcept {
  on.kind = &kind;
  me.waits_on = &on;
  me.parked_at_ms = here.coarse_ms;
  end_slice(here, me);
  me.waits_on = nullptr;
}

}  // namespace

waiter::waiter() noexcept {
  open = &open_wake;
  home = this_host();
  if (home != nullptr) who = home->running;
}

void host::wait_for_posters() const noexcept {
  while (posting_.load(std::memory_order_acquire) != 0) os::yield_processor();
}

std::size_t letter_box::open_all() noexcept {
  letter* newest = newest_.exchange(nullptr, std::memory_order_acquire);
  letter* oldest = nullptr;
  while (newest != nullptr) {
    letter* next = std::exchange(newest->next_letter, oldest);
    oldest = std::exchange(newest, next);
  }
  std::size_t count = 0;
  for (; oldest != nullptr; ++count) {
    letter* one = std::exchange(oldest, oldest->next_letter);
    one->open(*one);
  }
  return count;
}

void ready_ring::grow(std::size_t count) {
  std::size_t places = places_ == nullptr ? 64 : 2 * (mask_ + 1);
  while (places < count) places *= 2;
  auto larger = std::make_unique<parked*[]>(places);
  for (std::size_t at = head(); at != tail(); ++at) larger[at & (places - 1)] = places_[at & mask_];
  places_ = std::move(larger);
  mask_ = places - 1;
}

void park(waiter& me, const wait_kind& kind) {
  host* here = me.home;
  if (here == nullptr) return block_thread(me);
  parked& task = *me.who;
  if (task.interrupt) [[unlikely]] {
    if (kind.withdraw != nullptr && deliverable(task) != nullptr && kind.withdraw(me)) check_cancelled(*here);
  }
  leave_for(*here, task, me, kind);
  if (me.state.load(std::memory_order_relaxed) == interrupted) [[unlikely]]
    check_cancelled(*here);
}

void park_shielded(waiter& me, const wait_kind& kind) noexcept {
  if (me.home == nullptr) return block_thread(me);
  const wait_kind cannot_be_called_off = {kind.name, nullptr};
  leave_for(*me.home, *me.who, me, cannot_be_called_off);
}

namespace {

struct time_limit : timer {
  waiter* of;
  const wait_kind* kind;
  bool over = false;
  static void ring(timer& due) noexcept {
    auto& self = static_cast<time_limit&>(due);
    if (!self.kind->withdraw(*self.of)) return;
    self.over = true;
    self.of->home->make_ready(*self.of->who);
  }
};

bool block_thread_until(waiter& me, const wait_kind& kind, std::int64_t due_ns) noexcept {
  while (me.state.load(std::memory_order_acquire) == waiting) {
    if (os::futex_wait_until(me.state, waiting, due_ns)) continue;
    if (kind.withdraw(me)) return false;
    block_thread(me);
  }
  return true;
}

}  // namespace

bool park_for(waiter& me, const wait_kind& kind, std::int64_t duration_ns) {
  const std::int64_t due_ns = due_after(duration_ns);
  if (me.home == nullptr) return block_thread_until(me, kind, due_ns);
  struct set_limit : time_limit {
    set_limit(waiter& waits, const wait_kind& how, std::int64_t due) {
      of = &waits;
      kind = &how;
      fire = &time_limit::ring;
      waits.home->set(*this, due);
    }
    set_limit(const set_limit&) = delete;
    set_limit& operator=(const set_limit&) = delete;
    ~set_limit() {
      if (is_set()) of->home->unset(*this);
    }
  } limit(me, kind, due_ns);
  park(me, kind);
  return !limit.over;
}

const void* self_without_task() noexcept {
  // Told apart from a task by its lowest bit.
  return reinterpret_cast<const char*>(control::self_block()) + 1;
}

bool waits_for_this_thread(const void* owner) noexcept {
  const auto word = reinterpret_cast<std::uintptr_t>(owner);
  if ((word & 1) == 0) return false;
  // A block's memory is never given back, so one that has another fiber meanwhile can be read.
  const auto* block = reinterpret_cast<const control::control_block*>(word - 1);
  return __atomic_load_n(&block->home, __ATOMIC_RELAXED) == context::this_thread_words();
}

std::int64_t now_ns() noexcept {
  host* here = this_host();
  return here != nullptr ? here->now_ns() : os::monotonic_now_ns();
}

std::int64_t due_after(std::int64_t duration_ns) noexcept {
  const std::int64_t now = now_ns();
  return duration_ns > never_ns - now ? never_ns : now + duration_ns;
}

void check_deserted(const wait_list& waiters, const char* object) noexcept {
  if (waiters.empty()) return;
  std::fprintf(stderr, "ramie: a %s is destroyed while somebody waits on it\n", object);
  RAMIE_CHECK(waiters.empty());
}

void wake(waiter& taken) noexcept {
  waiter& one = taken.choice == nullptr ? taken : *taken.choice->sleeper;
  host* home = one.home;
  if (home == nullptr) {
    // The waiter may be gone as soon as its state says so; only its address is used after that.
    std::atomic<std::uint32_t>& state = one.state;
    state.store(woken, std::memory_order_release);
    os::futex_wake_one(state);
  } else if (home == this_host()) {
    home->make_ready(*one.who);
  } else {
    home->post(one);
  }
}

void end_slice_rarely(host& here, parked& me) noexcept {
  parked* next = next_to_pass_to(here);
  if (next == nullptr || !here.give_stack(*next)) return control::leave(here.loop, me.chain);
  change_slice(here, &me, next);
  control::pass(me.chain, next->chain);
}

void yield(host& here) noexcept {
  parked& me = *here.running;
  if (here.ready.empty() && here.urgent.empty() && here.slices_until_look != 0) {
    // Nobody else: it is its turn again.
    --here.slices_until_look;
    here.ready.pass_over();
    here.account(me);
    here.budget = reductions_per_slice;
    return;
  }
  here.ready.push(&me);
  end_slice(here, me);
}

void reductions_spent(running_slice& spent) noexcept {
  auto& here = static_cast<host&>(spent);
  parked& me = *here.running;
  if (me.no_yield == 0) {
    // A whole slice is 100 us and more, or a millisecond has gone: a look at the clock is nothing beside it.
    here.slices_until_look = 0;
    return yield(here);
  }
  here.account(me);
  here.budget = reductions_per_slice;
}

}  // namespace ramie::inline v0::parking
