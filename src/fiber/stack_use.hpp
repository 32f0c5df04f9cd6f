// How deep fibers go, by the place that made them; on request (measure_stacks), and free when nobody asks: a start
// reads one flag, an end one word of a line that it has anyway.
#pragma once

#include "fiber/cold_block.hpp"

#include <atomic>

namespace ramie::inline v0::control {

// cold_block::depth: one of these two, or the depth in bytes of a measured fiber that has ended (stacks are 128 MiB at
// most).
inline constexpr std::uint32_t not_measured = 0, being_measured = 1;

extern std::atomic<bool> measuring_stacks;

// Its stack was just taken, and nothing is on it.
void begin_measuring(cold_block& about) noexcept;
// It has ended, and its stack is about to go back.
void end_measuring(cold_block& about) noexcept;

// Around fork.
void lock_stack_use() noexcept;
void unlock_stack_use() noexcept;

}  // namespace ramie::inline v0::control
