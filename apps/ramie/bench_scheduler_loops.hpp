// The measured loops of `ramie bench scheduler`, through the public API; also linked into the peers' program, where
// they alternate with the peers'.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ramie::app {

// `count` tasks that are always ready each yield `rounds` times: nanoseconds a yield, accounting included. Tasks are
// started before the clock is.
[[nodiscard]] double yield_ns(std::size_t count, std::size_t rounds);

// An empty task spawned, run, joined: nanoseconds.
[[nodiscard]] double spawn_join_ns(std::size_t times);

// `count` tasks that sleep random 1 to 1,000 ms, creation included.
struct sleepers_figures {
  double lateness_p50_ms = 0, lateness_p99_ms = 0;
  double processor_ms = 0;  // of the whole process, user and system
};
[[nodiscard]] sleepers_figures measure_sleepers(std::size_t count, std::uint32_t seed);

// One task spins for `duration_ms`; `count` others wake every 10 ms. How late they wake, p99; with or without reduce().
[[nodiscard]] double starvation_p99_ms(std::size_t count, std::size_t duration_ms, bool reduces);

}  // namespace ramie::app
