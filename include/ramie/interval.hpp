// A beat that does not drift: each wait() ends at the next multiple of the period after the start.
//
// Status: experimental.
//
//     ramie::interval every(10ms);
//     for (;;) {
//       const auto periods = every.wait();              // 1; more when the work below took longer than a period
//       advance(periods);
//     }
//     ramie::select(ramie::on(jobs, ...), ramie::on_tick(every, [&](std::uint64_t periods) { ... }));
//
// Periods that ended while nobody waited are counted, once, by the next wait: never a burst of calls to catch up, and
// the beat stays where it was. Time is that of the thread's scheduler, which may be a fake clock, so an interval is
// made and used by tasks of one scheduler, or by one thread without any. Not for two at a time.
#pragma once

#include <ramie/park/arm.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {

class interval {
 public:
  // Starts now. Throws std::invalid_argument for a period that is not longer than zero.
  explicit interval(std::chrono::nanoseconds period);

  // Waits for the end of a period, unless one has ended since the last that was counted. How many have ended: at least
  // one. Throws ramie::cancelled when told to go; nothing was counted then.
  std::uint64_t wait();
  // The same without waiting: may be none.
  [[nodiscard]] std::uint64_t count() noexcept;
  // As if it had been made now.
  void restart() noexcept;
  [[nodiscard]] std::chrono::nanoseconds period() const noexcept { return std::chrono::nanoseconds(period_ns_); }

 private:
  template <class F>
  friend class tick_arm;
  [[nodiscard]] std::int64_t left_ns() const noexcept;  // until the next end; not more than zero: one has ended
  std::int64_t period_ns_;
  std::int64_t next_ns_ = 0;  // the next end that was not counted
};

// An arm of select(): a period has ended. The body gets how many, or nothing.
template <class F>
class tick_arm final : public parking::arm {
 public:
  tick_arm(interval& of, F body) : of_(of), body_(std::move(body)) { limit_ns = of.left_ns(); }
  parking::arm_state try_now() override {
    return of_.left_ns() <= 0 ? parking::arm_state::happened : parking::arm_state::not_yet;
  }
  bool enlist() noexcept override { return true; }
  void withdraw() noexcept override {}
  bool has_happened() noexcept override { return true; }
  void run() override {
    const std::uint64_t periods = of_.count();
    if constexpr (std::is_invocable_v<F, std::uint64_t>) {
      std::invoke(body_, periods);
    } else {
      std::invoke(body_);
    }
  }

 private:
  interval& of_;
  F body_;
};
template <class F>
[[nodiscard]] tick_arm<std::decay_t<F>> on_tick(interval& of, F&& body) {
  return {of, std::forward<F>(body)};
}

}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
