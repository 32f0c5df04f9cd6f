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
  void* owner = nullptr;  // while in use: the fiber's control block, or a lent_owner()
  slot* next = nullptr;   // in a free list

  [[nodiscard]] std::uintptr_t high() const noexcept { return low + usable_bytes; }
  [[nodiscard]] std::uintptr_t first_frame() const noexcept { return high() - colour_bytes; }
};
static_assert(sizeof(slot) == 32);

// Who has a stack that was lent to code which is no fiber of ours. In the owner's word itself, so that lending one
// costs no allocation: a control block is aligned, so an odd owner is a borrower. The name is a literal.
inline void* lent_owner(const char* name, bool to_boost) noexcept {
  return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(name) << 2 | (to_boost ? 3U : 1U));
}
inline bool is_lent(const void* owner) noexcept { return (reinterpret_cast<std::uintptr_t>(owner) & 1) != 0; }
inline bool is_lent_to_boost(const void* owner) noexcept { return (reinterpret_cast<std::uintptr_t>(owner) & 3) == 3; }
inline const char* borrowed_as(const void* owner) noexcept {
  return reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(owner) >> 2);
}

}  // namespace ramie::stack
