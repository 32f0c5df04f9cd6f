// Who runs on this thread, and what is left of its slice: the words that an operation which need not wait touches.
//
// Status: experimental.
//
// A mutex that is free and a channel that has room are taken in a few instructions of the caller's own; these are the
// two things that they need of the scheduler. Home thread only, except `ticks`.
#pragma once

#include <ramie/context/control_block.hpp>
#include <ramie/context/switch.hpp>

#include <atomic>
#include <cstdint>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {
namespace parking {

struct parked;

// What a task may do before it is the turn of the others, as in BEAM.
inline constexpr std::int64_t reductions_per_slice = 4000;

// Base of whoever runs tasks (src/park/host.hpp).
struct running_slice : context::chain_keeper {
  parked* running = nullptr;                   // null: the loop itself
  std::int64_t budget = reductions_per_slice;  // of the running task, what is left
  std::uint32_t ticks_seen = 0;
  std::atomic<std::uint32_t> ticks = 0;  // milliseconds: another thread counts them up while this one is busy
};

// The calling thread's; null when nobody runs tasks here. An operation that needs the thread's words more than once
// fetches them once and hands them on; not across a switch (see this_thread_words()).
[[gnu::always_inline]] inline running_slice* this_slice(
    const context::thread_words* thread = context::this_thread_words()) noexcept {
  return static_cast<running_slice*>(thread->host);
}

// Charges the running task for what it did without waiting; lets others run when its slice is used up, by reductions
// or by time. Never throws, never waits for anything else. 1 ns.
void reductions_spent(running_slice& here) noexcept;
[[gnu::always_inline]] inline void charge(std::int64_t reductions,
                                          const context::thread_words* thread = context::this_thread_words()) noexcept {
  running_slice* here = this_slice(thread);
  if (here == nullptr) return;
  here->budget -= reductions;
  if (here->budget < 0 || here->ticks.load(std::memory_order_relaxed) != here->ticks_seen) [[unlikely]] {
    // What a timer or a letter does is nobody's: the next task begins with a whole slice.
    if (here->running != nullptr) reductions_spent(*here);
  }
}

// Who is asking: the task, or on a thread without any the fiber; for owners of locks. Never null.
[[nodiscard]] const void* self_without_task() noexcept;
[[nodiscard, gnu::always_inline]] inline const void* self(
    const context::thread_words* thread = context::this_thread_words()) noexcept {
  const running_slice* here = this_slice(thread);
  if (here == nullptr || here->running == nullptr) [[unlikely]]
    return self_without_task();
  return here->running;
}

}  // namespace parking
}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
