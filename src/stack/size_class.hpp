// Stack sizes are rounded up to classes, so that a freed slot fits the next fiber.
//
// Pure arithmetic. A class is the stride of its slots in pages: guard and usable part together. Small classes go page
// by page (a dense stride keeps page-table entries of neighbours in one cache line: 16 KiB slots cost 32 bytes of page
// table each, 68 KiB slots 136), larger ones in quarters of a power of two, so at most a quarter is address space for
// nothing.
#pragma once

#include <cstddef>

namespace ramie::stack {

// With 4 KiB a fiber can suspend and end, but not throw or be killed: unwinding takes some 3 KiB.
inline constexpr std::size_t least_bytes = std::size_t{8} << 10;
inline constexpr std::size_t most_bytes = std::size_t{128} << 20;
inline constexpr std::size_t default_bytes = std::size_t{64} << 10;
inline constexpr std::size_t dense_pages = 17;  // up to the default class: 64 KiB and its guard page
inline constexpr int class_count = 80;

struct size_class {
  int index = 0;
  std::size_t stride_bytes = 0;
  std::size_t guard_bytes = 0;
  [[nodiscard]] std::size_t usable_bytes() const noexcept { return stride_bytes - guard_bytes; }
};

// The class for stacks of at least `usable` bytes; 0 means the default. `usable` must be within [1, most_bytes].
// Guards are a page, and 64 KiB from 256 KiB on: there they cost nothing and catch larger frames.
size_class class_for(std::size_t usable, std::size_t page_bytes) noexcept;
// The class of an index that class_for() gave.
size_class class_of(int index, std::size_t page_bytes) noexcept;

}  // namespace ramie::stack
