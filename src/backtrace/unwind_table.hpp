// What the compiler wrote down about a function: how to find its caller's frame from any of its instructions.
//
// Reads .eh_frame, found through glibc's _dl_find_object, which takes no lock; libgcc's own search was rejected because
// it locks and allocates in static programs, and its walk because it reads any address that a broken stack names. Code
// without tables (written at run time, hand assembly) is answered with nothing: the walk then trusts the frame pointer.
//
// Safe in signal handlers. Trusts the tables themselves, which are the compiler's, and no value found on a stack.
#pragma once

#include "backtrace/processor.hpp"

#include <array>
#include <cstdint>

namespace ramie::backtrace {

// How one value of the caller is found. `unchanged` is also what tables mean by saying nothing.
enum class rule_kind : std::uint8_t {
  unchanged,
  undefined,         // gone; of the return address: there is no caller
  saved_at,          // in memory at frame address + value
  frame_plus,        // frame address + value itself
  in_register,       // in register number `value`
  saved_expression,  // in memory at what the expression says
  value_expression,  // what the expression says
};

struct rule {
  rule_kind kind = rule_kind::unchanged;
  std::uint16_t code_bytes = 0;  // the expression's length
  union {
    std::int64_t value = 0;  // an offset or a register
    const std::uint8_t* code;
  };

  [[nodiscard]] static rule of(rule_kind kind, std::int64_t value = 0) noexcept {
    rule made;
    made.kind = kind;
    made.value = value;
    return made;
  }
};

// The rules that hold at one instruction. The frame address ("CFA") is the caller's stack pointer.
struct unwind_row {
  rule frame_address;  // frame_plus: register `base` + value; or value_expression
  std::uint16_t base = 0;
  std::array<rule, register_count> registers = {};
  std::uint16_t return_column = return_register;
  bool signal_frame = false;         // the caller was interrupted: its pc is exact
  std::uintptr_t function = 0;       // first address of the function
  std::uintptr_t personality = 0;    // what the language wants called when a frame is unwound; 0: nothing
  std::uintptr_t language_data = 0;  // for that one: destructors and handlers ("LSDA"); 0: none
};

// The row for the instruction at `pc`; false when no table covers it or the table says what is not understood here.
bool find_unwind_row(std::uintptr_t pc, unwind_row& row) noexcept;

// Whether unwinding the frame that called from just before `return_address` would run something there: a destructor, a
// handler, or std::terminate. False only when the tables say that it runs nothing; what is not understood here is true.
// `row` is the row of that frame. Understands the tables of C++ (__gxx_personality_v0) and of frames without any.
bool unwinding_runs_code(std::uintptr_t return_address, const unwind_row& row) noexcept;

// The program or library that holds the address, as something to compare; null for none.
const void* object_of(std::uintptr_t pc) noexcept;

// True when the address lies in a loaded program or library (or the vdso), whether or not it has tables.
bool in_loaded_code(std::uintptr_t pc) noexcept;

}  // namespace ramie::backtrace
