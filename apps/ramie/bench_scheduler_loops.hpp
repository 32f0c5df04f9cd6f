// The measured loops of `ramie bench scheduler`, through the public API; also linked into the peers' program, where
// they alternate with the peers'.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ramie::app {

// Processor time of the whole process so far, user and system, in milliseconds.
[[nodiscard]] double processor_ms();

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

// Two tasks send a number back and forth over two channels of this capacity: nanoseconds a message.
[[nodiscard]] double channel_ns(std::size_t messages, std::size_t capacity);

// `producers` tasks send into one channel of this capacity, one task receives: nanoseconds a message. Producers are
// spawned before the clock starts.
[[nodiscard]] double fan_in_ns(std::size_t producers, std::size_t messages, std::size_t capacity);

// Lock and unlock of a mutex that nobody else holds: nanoseconds for both. `shared`: another thread has used it too.
[[nodiscard]] double mutex_ns(std::size_t times, bool shared);

// Two tasks that hold one mutex in turn, and yield while they hold it so that the other must wait: nanoseconds for each
// time that it was had, which is one switch for the yield and one for the hand-over.
[[nodiscard]] double mutex_contended_ns(std::size_t times);

// Two tasks of which each finds the mutex taken by the other: nanoseconds a hand-over, one switch each. Only a fair
// mutex does this.
[[nodiscard]] double mutex_handover_ns(std::size_t times);

// What `count` tasks that wait for one event hold, each: resident memory of the process, and what of it is not pages of
// their stacks (mincore(2) tells which of these are resident). The record of the task, its wait, the fiber's control
// block, its slot in the pool and its places in the run queue are all in it. In a fresh process.
struct memory_figures {
  double resident_bytes = 0, control_bytes = 0;
};
[[nodiscard]] memory_figures measure_memory(std::size_t count);

}  // namespace ramie::app
