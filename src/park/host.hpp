// Who runs tasks on a thread, as seen by whatever waits: where to leave to, who runs, who is ready, what time it is.
//
// The waist of the house. park() (park.hpp) leaves the running chain for `loop`; wake() puts it into `ready` at home or
// sends a letter from elsewhere. Only the home thread touches `ready`; the one thing that other threads touch is the
// letter box. A scheduler derives from this and supplies the loop, the clock and the timers; ten lines are enough.
#pragma once

#include "fiber/chain.hpp"
#include "park/ready_ring.hpp"
#include "park/timer.hpp"

#include <ramie/park/cancel_scope.hpp>
#include <ramie/park/running.hpp>
#include <ramie/park/wait.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ramie::inline v0::parking {

// A chain that is known to a host. Tasks derive from it.
struct parked {
  // The first line of the cache is all that a switch touches.
  control::chain chain;
  waiter* waits_on = nullptr;      // null: it runs or is ready
  std::uint64_t reductions = 0;    // all that it was charged
  std::uint32_t ticks = 0;         // milliseconds that it was seen running
  std::uint32_t parked_at_ms = 0;  // host::coarse_ms when it began to wait
  std::uint16_t no_yield = 0;      // depth of regions in which a spent slice does not end
  bool interrupt = false;          // somewhere around it there may be a request that it was not told of
  // From here on only what is rare.
  cancel_scope* innermost = nullptr;  // the scope that it is in
  cancel_scope* delivered = nullptr;  // the scope whose request it was told of and has not come to
  parked* next_sibling = nullptr;     // children of the scope that it was spawned in
  parked* previous_sibling = nullptr;
};

// What other threads have sent, newest first.
class letter_box {
 public:
  // Any thread. True when it was empty.
  bool post(letter& one) noexcept {
    letter* seen = newest_.load(std::memory_order_relaxed);
    do {
      one.next_letter = seen;
    } while (!newest_.compare_exchange_weak(seen, &one, std::memory_order_release, std::memory_order_relaxed));
    return seen == nullptr;
  }
  [[nodiscard]] bool empty() const noexcept { return newest_.load(std::memory_order_relaxed) == nullptr; }
  // Opens all, oldest first. Home thread. How many there were.
  std::size_t open_all() noexcept;

 private:
  std::atomic<letter*> newest_ = nullptr;
};

class host : public running_slice {
 public:
  control::control_block loop{};        // loop.resumer_sp: where the host waits for the running chain to be left
  std::uint32_t slices_until_look = 0;  // then the loop sees to timers and letters; 0: every slice ends in the loop
  std::uint32_t coarse_ms = 0;          // the clock when it was last looked at, a few milliseconds ago at most
  ready_ring ready;
  ready_ring urgent;               // woken by a timer or another thread: goes before those that were ready
  bool looks_around = false;       // timers and letters are being seen to: who is woken is urgent
  alignas(64) letter_box letters;  // other threads write it, as what follows

  // Waits of its tasks that are certain to be ended by somebody who is no task: while there are any nothing is stuck,
  // and a fake clock stands still.
  std::atomic<std::uint32_t> outside_wakers = 0;

  host() = default;
  host(const host&) = delete;
  host& operator=(const host&) = delete;

  // Nanoseconds of a clock that never goes back.
  virtual std::int64_t now_ns() noexcept = 0;
  virtual void set(timer& one, std::int64_t due_ns) noexcept = 0;
  virtual void unset(timer& one) noexcept = 0;
  // Home thread: a task that has not started gets a stack that is at hand. False: only the loop can do that.
  virtual bool give_stack(parked&) noexcept { return false; }
  // Any thread: a letter came into an empty box.
  virtual void rouse() noexcept = 0;
  // Another one for each slice. Any thread.
  [[nodiscard]] std::uint64_t slice_number() const noexcept { return ready.popped() + urgent.popped(); }
  // What the running task has used of its slice is added to its counts. One in which a millisecond has gone was a whole
  // one for those who wait, whatever it was charged.
  void account(parked& task) noexcept {
    task.reductions += static_cast<std::uint64_t>(reductions_per_slice - budget);
    const std::uint32_t now = ticks.load(std::memory_order_relaxed);
    if (now != ticks_seen) [[unlikely]] {
      task.ticks += now - ticks_seen;
      ticks_seen = now;
      slices_until_look = 0;  // timers may be due
      budget = 0;
    }
  }
  // Home thread: it may go on.
  void make_ready(parked& one) noexcept {
    if (!looks_around) return ready.push(&one);
    __builtin_prefetch(&one);  // it has mostly waited for long
    urgent.push(&one);
  }
  // Any thread: posts a letter. What it says may be the host's end, so the host must not go before its posters have.
  void post(letter& one) noexcept {
    posting_.fetch_add(1, std::memory_order_relaxed);
    if (letters.post(one)) rouse();
    posting_.fetch_sub(1, std::memory_order_release);
  }
  // In a forked child, home thread: whoever was posting is a thread of the parent.
  void forget_posters() noexcept { posting_.store(0, std::memory_order_relaxed); }

 protected:
  ~host() = default;
  // For the destructor of what derives from it, before anything else.
  void wait_for_posters() const noexcept;

 private:
  std::atomic<std::uint32_t> posting_ = 0;
};

// The calling thread's host; null when nobody runs tasks here.
[[gnu::always_inline]] inline host* this_host() noexcept { return static_cast<host*>(this_slice()); }

}  // namespace ramie::inline v0::parking
