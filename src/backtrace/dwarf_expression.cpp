#include "backtrace/dwarf_expression.hpp"

#include "backtrace/byte_reader.hpp"

#include <array>

namespace ramie::backtrace {

namespace {

// Operation codes of DWARF 5, section 7.7.1.
enum operation : std::uint8_t {
  op_addr = 0x03,
  op_deref = 0x06,
  op_const1u = 0x08,
  op_const1s,
  op_const2u,
  op_const2s,
  op_const4u,
  op_const4s,
  op_const8u,
  op_const8s,
  op_constu,
  op_consts,
  op_dup,
  op_drop,
  op_over,
  op_pick,
  op_swap,
  op_rot,
  op_abs = 0x19,
  op_and,
  op_div,
  op_minus,
  op_mod,
  op_mul,
  op_neg,
  op_not,
  op_or,
  op_plus,
  op_plus_uconst,
  op_shl,
  op_shr,
  op_shra,
  op_xor,
  op_bra,
  op_eq,
  op_ge,
  op_gt,
  op_le,
  op_lt,
  op_ne,
  op_skip,
  op_lit0 = 0x30,
  op_lit31 = 0x4f,
  op_breg0 = 0x70,
  op_breg31 = 0x8f,
  op_bregx = 0x92,
  op_nop = 0x96,
};

class machine {
 public:
  machine(std::span<const std::uint8_t> code, const known_registers& registers, const memory_reader& memory) noexcept
      : code_(code), reader_(code.data(), code.data() + code.size()), registers_(registers), memory_(memory) {}

  bool run(std::uintptr_t first, std::uintptr_t& result) noexcept {
    push(first);
    for (int steps = 0; reader_.more(); ++steps) {
      const std::uint8_t code = reader_.byte();
      if (steps == 256 || !(push_constant(code) || arrange(code) || compute(code) || jump(code))) return false;
      if (failed_ || reader_.failed()) return false;
    }
    result = pop();
    return !failed_;
  }

 private:
  using word = std::uintptr_t;
  using signed_word = std::intptr_t;

  void push(word value) noexcept {
    if (depth_ == stack_.size())
      failed_ = true;
    else
      stack_[depth_++] = value;
  }
  word pop() noexcept {
    if (depth_ == 0) failed_ = true;
    return failed_ ? 0 : stack_[--depth_];
  }
  word peek(std::size_t below) noexcept {
    if (below >= depth_) return failed_ = true, 0;
    return stack_[depth_ - 1 - below];
  }
  template <typename Number>
  bool push_fixed() noexcept {
    push(static_cast<word>(static_cast<signed_word>(reader_.fixed<Number>())));
    return true;
  }
  bool push_register(std::uint64_t number) noexcept {
    const std::int64_t offset = reader_.signed_leb();
    if (!registers_.known(number)) return false;
    push(registers_.values[number] + static_cast<word>(offset));
    return true;
  }

  bool push_constant(std::uint8_t code) noexcept {
    if (code >= op_lit0 && code <= op_lit31) return push(code - op_lit0), true;
    if (code >= op_breg0 && code <= op_breg31) return push_register(code - op_breg0);
    switch (code) {
      case op_addr:
      case op_const8u:
      case op_const8s:
        return push_fixed<std::int64_t>();
      case op_const1u:
        return push_fixed<std::uint8_t>();
      case op_const1s:
        return push_fixed<std::int8_t>();
      case op_const2u:
        return push_fixed<std::uint16_t>();
      case op_const2s:
        return push_fixed<std::int16_t>();
      case op_const4u:
        return push_fixed<std::uint32_t>();
      case op_const4s:
        return push_fixed<std::int32_t>();
      case op_constu:
        return push(reader_.unsigned_leb()), true;
      case op_consts:
        return push(static_cast<word>(reader_.signed_leb())), true;
      case op_bregx:
        return push_register(reader_.unsigned_leb());
      default:
        return false;
    }
  }

  bool arrange(std::uint8_t code) noexcept {
    switch (code) {
      case op_nop:
        return true;
      case op_dup:
        return push(peek(0)), true;
      case op_drop:
        return pop(), true;
      case op_over:
        return push(peek(1)), true;
      case op_pick:
        return push(peek(reader_.byte())), true;
      case op_swap: {
        const word top = pop();
        const word next = pop();
        return push(top), push(next), true;
      }
      case op_rot: {
        const word top = pop();
        const word second = pop();
        const word third = pop();
        return push(top), push(third), push(second), true;
      }
      default:
        return false;
    }
  }

  bool compute(std::uint8_t code) noexcept {
    if (code == op_deref || code == op_abs || code == op_neg || code == op_not || code == op_plus_uconst)
      return compute_one(code, pop());
    const bool known = (code >= op_and && code <= op_xor) || (code >= op_eq && code <= op_ne);
    if (!known) return false;
    const word right = pop();
    const word left = pop();
    return code >= op_eq ? compare(code, static_cast<signed_word>(left), static_cast<signed_word>(right))
                         : compute_two(code, left, right);
  }
  bool compute_one(std::uint8_t code, word value) noexcept {
    switch (code) {
      case op_deref:
        failed_ = failed_ || !memory_.word(value, value);
        break;
      case op_abs:
        value = static_cast<signed_word>(value) < 0 ? word{0} - value : value;
        break;
      case op_neg:
        value = word{0} - value;
        break;
      case op_not:
        value = ~value;
        break;
      default:
        value += reader_.unsigned_leb();
        break;
    }
    return push(value), true;
  }
  bool compute_two(std::uint8_t code, word left, word right) noexcept {
    const word shift = right < 64 ? right : 63;
    switch (code) {
      case op_and:
        return push(left & right), true;
      case op_minus:
        return push(left - right), true;
      case op_mul:
        return push(left * right), true;
      case op_or:
        return push(left | right), true;
      case op_plus:
        return push(left + right), true;
      case op_shl:
        return push(right < 64 ? left << shift : 0), true;
      case op_shr:
        return push(right < 64 ? left >> shift : 0), true;
      case op_shra:
        return push(static_cast<word>(static_cast<signed_word>(left) >> shift)), true;
      case op_xor:
        return push(left ^ right), true;
      default:
        return false;  // divisions: no compiler writes them here
    }
  }
  bool compare(std::uint8_t code, signed_word left, signed_word right) noexcept {
    switch (code) {
      case op_eq:
        return push(left == right), true;
      case op_ge:
        return push(left >= right), true;
      case op_gt:
        return push(left > right), true;
      case op_le:
        return push(left <= right), true;
      case op_lt:
        return push(left < right), true;
      case op_ne:
        return push(left != right), true;
      default:
        return false;
    }
  }
  bool jump(std::uint8_t code) noexcept {
    if (code != op_bra && code != op_skip) return false;
    const auto distance = reader_.fixed<std::int16_t>();
    if (code == op_skip || pop() != 0) reader_.move(distance, code_.data());
    return true;
  }

  std::span<const std::uint8_t> code_;
  byte_reader reader_;
  const known_registers& registers_;
  const memory_reader& memory_;
  std::array<word, 16> stack_ = {};
  std::size_t depth_ = 0;
  bool failed_ = false;
};

}  // namespace

bool evaluate(std::span<const std::uint8_t> code, const known_registers& registers, std::uintptr_t first,
              const memory_reader& memory, std::uintptr_t& result) noexcept {
  return machine(code, registers, memory).run(first, result);
}

}  // namespace ramie::backtrace
