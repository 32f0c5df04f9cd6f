// From one frame to its caller's, on one stack, reading nothing outside its bounds.
//
// By unwind table where the code has one, else by frame pointer. Each step must go up the stack, so a walk ends after
// at most as many steps as the stack has words, whatever is written there. Safe in signal handlers; about 3 KiB of
// stack.
#pragma once

#include "backtrace/frame.hpp"
#include "backtrace/memory_reader.hpp"
#include "backtrace/processor.hpp"
#include "backtrace/unwind_table.hpp"

#include <array>
#include <cstdint>

namespace ramie::backtrace {

class stepper {
 public:
  // Code that was interrupted: all registers are known.
  stepper(const machine_state& state, stack_bounds bounds) noexcept;
  // Code that has switched away: only what the switch kept is known. (What a function keeps in its other registers it
  // has saved in its frame before, if it did not give them up.)
  stepper(const resume_point& point, stack_bounds bounds) noexcept;

  // The frame at which it stands. Also finds the function it belongs to.
  frame current() noexcept;

  // To the caller's frame: true. Otherwise it stays, and `reason` says why.
  bool step(ending& reason) noexcept;

 private:
  enum class outcome : std::uint8_t { stepped, ended, unknown };

  const unwind_row* row() noexcept;
  bool frame_address(const unwind_row& row, std::uintptr_t& address) const noexcept;
  bool recover(const rule& how, std::size_t number, std::uintptr_t frame_address, std::uintptr_t& value) const noexcept;
  outcome step_by_table(const unwind_row& row, ending& reason) noexcept;
  outcome step_by_frame_pointer(ending& reason) noexcept;
  outcome step_out_of_nowhere() noexcept;
  bool move_to(std::uintptr_t pc, bool exact) noexcept;

  // Rows of the last few instructions: a recursion asks for the same ones again and again.
  struct remembered_row {
    std::uintptr_t pc = 0;
    bool found = false;
    unwind_row row;
  };
  static constexpr std::size_t remembered_rows = 4;

  memory_reader memory_;
  known_registers registers_;
  std::uintptr_t pc_ = 0;
  bool exact_ = true;
  bool first_ = true;
  std::array<remembered_row, remembered_rows> rows_ = {};
  std::size_t next_row_ = 0;
};

}  // namespace ramie::backtrace
