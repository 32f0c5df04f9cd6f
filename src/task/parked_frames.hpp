// The frames of a task that does not run, from where it waits down to its own function: through every fiber that was
// resumed on the way, each with its stack.
#pragma once

#include "backtrace/frame.hpp"
#include "task/record.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ramie::inline v0::tasking {

// One fiber's share of it.
struct stack_part {
  const control::control_block* fiber = nullptr;
  std::vector<backtrace::frame> frames;  // newest first
  std::uint64_t more = 0;                // frames below these
};

// Home thread; the task is parked, ready, or the one that calls. Empty when it has not started. About 2 us for each
// stack. Throws std::bad_alloc.
std::vector<stack_part> frames_of(const record& task, std::size_t frames_most);

}  // namespace ramie::inline v0::tasking
