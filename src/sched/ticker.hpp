// A thread that counts milliseconds for schedulers that are busy, so that no clock is read at a switch.
//
// One per process, started by the first scheduler and asleep while all are idle. What it counts says that a slice has
// lasted too long, and, sampled, who used the processor.
#pragma once

#include <atomic>
#include <cstdint>

namespace ramie::inline v0::sched {

inline constexpr std::int64_t tick_ns = 1'000'000;

// Counts `ticks` up while `busy` says so. On the scheduler's thread; the words must stay until they are removed.
void add_to_ticker(std::atomic<std::uint32_t>& ticks, std::atomic<bool>& busy);
void remove_from_ticker(std::atomic<std::uint32_t>& ticks) noexcept;

// A scheduler goes from idle to busy. A load, unless the ticker sleeps.
extern std::atomic<std::uint32_t> ticker_sleeps;
void rouse_ticker() noexcept;
inline void see_that_it_ticks() noexcept {
  if (ticker_sleeps.load(std::memory_order_relaxed) != 0) [[unlikely]]
    rouse_ticker();
}

// How many threads of this process are ours, beside those that run schedulers.
std::uint32_t ticker_threads() noexcept;

}  // namespace ramie::inline v0::sched
