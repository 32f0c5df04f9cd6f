// From one slice to the next: what the loop does between two tasks, and a task that leaves does by itself.
//
// A task that parks or yields goes on with the next in the line without a stop in the loop, which would be a second
// switch (4 ns of 12), as long as the loop has nothing to see to: no timer's or other thread's look is due, nobody
// urgent waits, the next one has a stack and nothing is in flight.
#pragma once

#include "park/host.hpp"

namespace ramie::inline v0::parking {

// How far ahead in the line a task's words and its stack are fetched. Measured with `ramie bench scheduler`, `yield`.
inline constexpr std::size_t fetch_words_ahead = 24, fetch_stack_ahead = 12;

// Where it goes on, and beyond the red zone the frames that it returns through.
[[gnu::always_inline]] inline void fetch_stack(const parked& one) noexcept {
  const std::uintptr_t sp = one.chain.sp;
  context::prefetch_stack(sp);
  context::prefetch_stack(sp + 128);
  context::prefetch_stack(sp + 192);
}

[[gnu::always_inline]] inline void fetch_ahead(const ready_ring& line) noexcept {
  if (line.size() <= fetch_words_ahead) return;
  __builtin_prefetch(line.coming(fetch_words_ahead));
  fetch_stack(*line.coming(fetch_stack_ahead));
}

// Those that are woken come in bursts, often short ones. Their words were asked for when they were woken. Measured with
// `starvation`: 8 before 4.
inline constexpr std::size_t fetch_woken_ahead = 8;
[[gnu::always_inline]] inline void fetch_ahead_of_woken(const ready_ring& line) noexcept {
  if (line.size() > fetch_woken_ahead) fetch_stack(*line.coming(fetch_woken_ahead));
}

// The next task, if control can pass to it when it has a stack; null: it is for the loop to go on.
[[gnu::always_inline]] inline parked* next_to_pass_to(host& here) noexcept {
  if (here.slices_until_look == 0 || !here.urgent.empty() || here.ready.empty() || !control::can_pass()) return nullptr;
  parked* next = here.ready.coming(0);
  return control::can_pass_to(next->chain) ? next : nullptr;
}
// Ends the slice of `me`, null when that was done, and begins that of `next`; control::pass() is to follow.
[[gnu::always_inline]] inline void change_slice(host& here, parked* me, parked* next) noexcept {
  fetch_ahead(here.ready);
  here.ready.pop();
  --here.slices_until_look;
  if (me != nullptr) here.account(*me);  // which may ask for a look now
  here.running = next;
  here.budget = reductions_per_slice;
}

// The running task, whose turn is over, is left; returns when it is continued. What is rare is a call, so that the
// frame of the task's that lies on its cold stack stays within the lines that are fetched ahead.
[[gnu::noinline]] void end_slice_rarely(host& here, parked& me) noexcept;
[[gnu::always_inline]] inline void end_slice(host& here, parked& me) noexcept {
  parked* next = next_to_pass_to(here);
  if (next == nullptr || next->chain.leaf == nullptr) [[unlikely]]
    return end_slice_rarely(here, me);
  change_slice(here, &me, next);
  control::pass(me.chain, next->chain);
}

}  // namespace ramie::inline v0::parking
