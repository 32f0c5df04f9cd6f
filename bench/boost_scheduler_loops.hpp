// The loops of bench_scheduler_loops.hpp on Boost.Fiber: its round-robin scheduler (the default), its own channels, its
// mutex, its sleep. A fiber here is joined where ours is.
#pragma once

#include "boost_loops.hpp"

#include <cstddef>
#include <cstdint>

namespace ramie::peer {

// Where its fibers' stacks come from. stack_bytes 0: the library's default, 128 KiB.
struct boost_stacks {
  stack_kind kind = stack_kind::fixedsize;
  std::size_t stack_bytes = 0;
};

[[nodiscard]] double boost_yield_ns(const boost_stacks& stacks, std::size_t count, std::size_t rounds);
[[nodiscard]] double boost_spawn_join_ns(const boost_stacks& stacks, std::size_t times);

// buffered_channel of the least size there is (2, of which one place is used), or unbuffered_channel.
[[nodiscard]] double boost_channel_ns(const boost_stacks& stacks, std::size_t messages, bool buffered);
// `capacity`: a power of two, of which one place stays empty; 0: unbuffered.
[[nodiscard]] double boost_fan_in_ns(const boost_stacks& stacks, std::size_t producers, std::size_t messages,
                                     std::size_t capacity);

[[nodiscard]] double boost_mutex_ns(const boost_stacks& stacks, std::size_t times);
[[nodiscard]] double boost_mutex_contended_ns(const boost_stacks& stacks, std::size_t times);

struct boost_sleepers {
  double lateness_p50_ms = 0, lateness_p99_ms = 0, processor_ms = 0;
};
[[nodiscard]] boost_sleepers boost_measure_sleepers(const boost_stacks& stacks, std::size_t count, std::uint32_t seed);

// It has no reductions: who spins yields by hand as often as ours would be made to, or never.
[[nodiscard]] double boost_starvation_p99_ms(const boost_stacks& stacks, std::size_t count, std::size_t duration_ms,
                                             bool yields);

// Resident bytes of the process for each of `count` fibers that wait. Its control data lies on the stack itself, so
// that the two cannot be told apart. In a fresh process.
[[nodiscard]] double boost_resident_bytes(const boost_stacks& stacks, std::size_t count);

}  // namespace ramie::peer
