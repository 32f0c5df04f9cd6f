#include "backtrace/stepper.hpp"

#include "backtrace/dwarf_expression.hpp"

namespace ramie::backtrace {

namespace {

constexpr std::uintptr_t word_bytes = sizeof(std::uintptr_t);

std::span<const std::uint8_t> code_of(const rule& expression) noexcept {
  return {expression.code, expression.code_bytes};
}

std::uintptr_t moved(std::uintptr_t address, std::int64_t offset) noexcept {
  return address + static_cast<std::uintptr_t>(offset);
}

}  // namespace

stepper::stepper(const machine_state& state, stack_bounds bounds) noexcept
    : memory_(bounds), registers_(state.registers), pc_(state.pc) {}

stepper::stepper(const resume_point& point, stack_bounds bounds) noexcept : memory_(bounds), pc_(point.pc) {
  registers_.set(sp_register, point.sp);
  registers_.set(fp_register, point.fp);
}

frame stepper::current() noexcept {
  const unwind_row* found = row();
  return {.pc = pc_, .function = found == nullptr ? 0 : found->function, .exact = exact_};
}

const unwind_row* stepper::row() noexcept {
  const std::uintptr_t pc = exact_ ? pc_ : pc_ - 1;
  for (const remembered_row& entry : rows_)
    if (entry.pc == pc) return entry.found ? &entry.row : nullptr;
  remembered_row& entry = rows_[next_row_];
  next_row_ = (next_row_ + 1) % remembered_rows;
  entry.pc = pc;
  entry.found = find_unwind_row(pc, entry.row);
  return entry.found ? &entry.row : nullptr;
}

bool stepper::step(ending& reason) noexcept {
  const unwind_row* found = row();
  outcome result = found != nullptr ? step_by_table(*found, reason) : step_out_of_nowhere();
  if (result == outcome::unknown) result = step_by_frame_pointer(reason);
  first_ = false;
  return result == outcome::stepped;
}

bool stepper::frame_address(const unwind_row& row, std::uintptr_t& address) const noexcept {
  const rule& how = row.frame_address;
  if (how.kind == rule_kind::value_expression) return evaluate(code_of(how), registers_, 0, memory_, address);
  if (how.kind != rule_kind::frame_plus || !registers_.known(row.base)) return false;
  address = moved(registers_.values[row.base], how.value);
  return true;
}

bool stepper::recover(const rule& how, std::size_t number, std::uintptr_t frame_address,
                      std::uintptr_t& value) const noexcept {
  switch (how.kind) {
    case rule_kind::unchanged:
      value = registers_.values[number];
      return registers_.known(number);
    case rule_kind::undefined:
      return false;
    case rule_kind::saved_at:
      return memory_.word(moved(frame_address, how.value), value);
    case rule_kind::frame_plus:
      value = moved(frame_address, how.value);
      return true;
    case rule_kind::in_register: {
      const auto source = static_cast<std::uint64_t>(how.value);
      if (!registers_.known(source)) return false;
      value = registers_.values[source];
      return true;
    }
    case rule_kind::saved_expression: {
      std::uintptr_t address = 0;
      return evaluate(code_of(how), registers_, frame_address, memory_, address) && memory_.word(address, value);
    }
    case rule_kind::value_expression:
      return evaluate(code_of(how), registers_, frame_address, memory_, value);
  }
  return false;
}

stepper::outcome stepper::step_by_table(const unwind_row& row, ending& reason) noexcept {
  const rule& return_rule = row.registers[row.return_column];
  if (return_rule.kind == rule_kind::undefined) {
    reason = ending::bottom;
    return outcome::ended;
  }
  std::uintptr_t address = 0;
  if (!frame_address(row, address)) return outcome::unknown;
  // Only a leaf that has saved nothing has its caller's stack pointer, and only where a call pushes nothing.
  const std::uintptr_t sp = registers_.values[sp_register];
  const bool upward = address > sp || (address == sp && first_ && !call_pushes_return_address);
  std::uintptr_t pc = 0;
  if (!upward || address > memory_.bounds().high || !recover(return_rule, row.return_column, address, pc)) {
    reason = ending::out_of_bounds;
    return outcome::ended;
  }
  known_registers caller;
  for (std::size_t number = 0; number < register_count; ++number) {
    std::uintptr_t value = 0;
    if (recover(row.registers[number], number, address, value)) caller.set(number, value);
  }
  if (row.registers[sp_register].kind == rule_kind::unchanged || !caller.known(sp_register))
    caller.set(sp_register, address);
  registers_ = caller;
  if (!move_to(pc, row.signal_frame)) {
    reason = ending::bottom;
    return outcome::ended;
  }
  return outcome::stepped;
}

// A frame pointer points to the caller's, and the return address lies behind it. On x86-64 these two are the top of the
// frame; on aarch64 they are its bottom, so that the caller's stack pointer is not known after it, only that it is
// higher.
stepper::outcome stepper::step_by_frame_pointer(ending& reason) noexcept {
  const std::uintptr_t fp = registers_.values[fp_register];
  std::uintptr_t caller_fp = 0;
  std::uintptr_t pc = 0;
  reason = ending::no_caller;
  if (!registers_.known(fp_register) || fp < registers_.values[sp_register] || !memory_.word(fp, caller_fp) ||
      !memory_.word(fp + word_bytes, pc))
    return outcome::ended;
  registers_.mask = 0;
  registers_.set(fp_register, caller_fp);
  registers_.values[sp_register] = fp + 2 * word_bytes;
  if (call_pushes_return_address) registers_.set(sp_register, fp + 2 * word_bytes);
  if (move_to(pc, false)) return outcome::stepped;
  reason = ending::bottom;
  return outcome::ended;
}

// A call through a wild pointer has no code to stand in, but its return address was just pushed.
stepper::outcome stepper::step_out_of_nowhere() noexcept {
  if (!first_ || !exact_ || in_loaded_code(pc_)) return outcome::unknown;
  std::uintptr_t pc = registers_.values[return_register];
  if (call_pushes_return_address && !memory_.word(registers_.values[sp_register], pc)) return outcome::unknown;
  if (!in_loaded_code(plain_code_address(pc))) return outcome::unknown;
  if (call_pushes_return_address) registers_.values[sp_register] += word_bytes;
  return move_to(pc, false) ? outcome::stepped : outcome::unknown;
}

bool stepper::move_to(std::uintptr_t pc, bool exact) noexcept {
  pc = plain_code_address(pc);
  if (pc == 0) return false;
  pc_ = pc;
  exact_ = exact;
  if (call_pushes_return_address) registers_.set(return_register, pc);
  return true;
}

}  // namespace ramie::backtrace
