#include "park/park.hpp"

#include "base/check.hpp"
#include "os/futex.hpp"

#include <algorithm>
#include <utility>

namespace ramie::inline v0::parking {
namespace {

void open_wake(letter& sent) noexcept {
  auto& one = static_cast<waiter&>(sent);
  one.home->ready.push(one.who);
}

void block_thread(waiter& me) noexcept {
  while (me.state.load(std::memory_order_acquire) == waiting) os::futex_wait(me.state, waiting);
}

// Leaves the running chain; comes back when it was made ready.
[[gnu::always_inline]] inline void leave_for(host& here, parked& me, waiter& on, const wait_kind& kind) noexcept {
  me.kind = &kind;
  me.waits_on = &on;
  control::leave(here.loop, me.chain);
  me.kind = nullptr;
  me.waits_on = nullptr;
}

}  // namespace

waiter::waiter() noexcept {
  open = &open_wake;
  home = this_host();
  if (home != nullptr) who = home->running;
}

void short_lock::lock_slowly() noexcept {
  for (int spins = 0; held_.exchange(true, std::memory_order_acquire); ++spins) {
    while (held_.load(std::memory_order_relaxed)) {
      if (++spins > 100) os::yield_processor();
    }
  }
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
  const std::size_t waiting_now = size();
  for (std::size_t i = 0; i < waiting_now; ++i) larger[i] = places_[(head_ + i) & mask_];
  places_ = std::move(larger);
  mask_ = places - 1;
  head_ = 0;
  tail_ = waiting_now;
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

void wake(waiter& one) noexcept {
  host* home = one.home;
  if (home == nullptr) {
    // The waiter may be gone as soon as its state says so; only its address is used after that.
    std::atomic<std::uint32_t>& state = one.state;
    state.store(woken, std::memory_order_release);
    os::futex_wake_one(state);
  } else if (home == this_host()) {
    home->ready.push(one.who);
  } else {
    home->post(one);
  }
}

void yield(host& here) noexcept {
  parked& me = *here.running;
  here.ready.push(&me);
  control::leave(here.loop, me.chain);
}

void reductions_spent(host& here) noexcept {
  parked& me = *here.running;
  const std::uint32_t now = here.ticks.load(std::memory_order_relaxed);
  me.ticks += now - here.ticks_seen;
  here.ticks_seen = now;
  if (me.no_yield == 0) return yield(here);
  me.reductions += static_cast<std::uint64_t>(reductions_per_slice - here.budget);
  here.budget = reductions_per_slice;
}

}  // namespace ramie::inline v0::parking
