// The first frame of a stack: prepares one so that a switch to it calls a function, and ends every backtrace there.
//
// Any thread; touches only the given stack. The function must never return: it leaves by leave_for_good().
#pragma once

#include <ramie/context/switch.hpp>

namespace ramie::inline v0::context {

// What runs first on a new stack: `argument` as given to prepare(), `message` of the switch that started it.
using first_function = void (*)(void* argument, std::uintptr_t message);

// Lays the first frame at the top of the stack [low, high) and returns what a switch continues.
std::uintptr_t prepare(std::uintptr_t low, std::uintptr_t high, first_function function, void* argument) noexcept;

// Continues whoever waits at `sp` and never returns. `word` is what the receiver sees as the leaver's continuation:
// the leaver's final state.
[[noreturn]] void leave_for_good(std::uintptr_t sp, std::uintptr_t message, control_block* self,
                                 std::uintptr_t word) noexcept;

// Where the code that waits at `sp` will go on, and its frame pointer: for backtraces of parked stacks.
struct parked_frame {
  std::uintptr_t pc, sp, fp;
};
parked_frame frame_at(std::uintptr_t sp) noexcept;
// The same of somebody who waits for a fiber that it resumed: control_block::resumer_sp.
parked_frame resumer_frame_at(std::uintptr_t resumer_sp) noexcept;

}  // namespace ramie::inline v0::context
