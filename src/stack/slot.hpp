// One stack with its guard: the record of a slot, kept outside of the stack so that a free stack stays untouched.
//
// A slot belongs to one arena for ever. Its owner writes the mutable part: the thread whose cache or fiber holds it, or
// whoever holds the pool's lock.
#pragma once

#include <ramie/stack.hpp>

#include <cstdint>

namespace ramie::stack {

struct slot {
  std::uintptr_t low = 0;  // lowest usable byte; the guard lies below
  std::uint32_t usable_bytes = 0;
  std::uint16_t colour_bytes = 0;  // how far below the high end the first frame starts
  std::uint8_t class_index = 0;
  ramie::guard guard = ramie::guard::none;
  void* owner = nullptr;  // the fiber's control block while in use
  slot* next = nullptr;   // in a free list

  [[nodiscard]] std::uintptr_t high() const noexcept { return low + usable_bytes; }
  [[nodiscard]] std::uintptr_t first_frame() const noexcept { return high() - colour_bytes; }
};
static_assert(sizeof(slot) == 32);

}  // namespace ramie::stack
