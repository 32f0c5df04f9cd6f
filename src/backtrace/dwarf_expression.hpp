// The little stack machine in unwind tables, for what a rule of the usual kinds cannot say: procedure linkage stubs,
// the kernel's signal frames, functions that realign their stack.
#pragma once

#include "backtrace/memory_reader.hpp"
#include "backtrace/processor.hpp"

#include <cstdint>
#include <span>

namespace ramie::backtrace {

// Runs the expression with `first` on its stack. False when it does what is not understood here, or reads what the
// memory reader refuses, or names a register that is not known. At most 256 operations.
bool evaluate(std::span<const std::uint8_t> code, const known_registers& registers, std::uintptr_t first,
              const memory_reader& memory, std::uintptr_t& result) noexcept;

}  // namespace ramie::backtrace
