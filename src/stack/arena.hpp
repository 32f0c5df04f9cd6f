// A reservation of address space cut into slots of one class, all guarded by one rung.
//
//   base                                frontier                                        end
//    | guard | stack | guard | stack |   ...  (PROT_NONE, nothing taken)  | slots' records |
//
// Slots below the frontier are open and their guards were probed. Opening goes in steps of at least 2 MiB, so an arena
// is three mappings whatever it holds, and one when it is full (a mapping per stack is what this room exists to avoid).
// The pool's lock guards everything here, except slot_at(), which any thread may call, also from a signal handler.
#pragma once

#include "stack/size_class.hpp"
#include "stack/slot.hpp"

#include <cstddef>
#include <cstdint>

namespace ramie::stack {

class arena {
 public:
  // Reserves room for slots of `shape`; halves `bytes` until the kernel agrees. Throws stack_error.
  arena(size_class shape, ramie::guard kind, std::size_t bytes);
  ~arena();
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::size_t opened() const noexcept { return opened_; }
  [[nodiscard]] std::size_t reserved_bytes() const noexcept { return capacity_ * shape_.stride_bytes; }
  [[nodiscard]] ramie::guard kind() const noexcept { return kind_; }

  // Opens and guards more slots and chains them on `list`, lowest address first; at most `wanted` (0: as many as a
  // step holds), none when the arena is full. Throws stack_error when the kernel refuses, or the guard does not hold.
  std::size_t open_more(slot*& list, std::size_t wanted);

  // The slot whose guard or stack holds the address; null when it is not (yet) one of this arena's.
  [[nodiscard]] slot* slot_at(std::uintptr_t address) const noexcept;
  [[nodiscard]] std::uintptr_t guard_address(std::size_t index) const noexcept {
    return base_ + index * shape_.stride_bytes;
  }
  [[nodiscard]] std::size_t guard_bytes() const noexcept { return shape_.guard_bytes; }
  [[nodiscard]] slot* record(std::size_t index) const noexcept { return records_ + index; }

  // In a forked child, after the ladder's: puts the guards of all open slots in force where they were not inherited,
  // and probes one. 0 or an errno.
  int renew_in_child() noexcept;

 private:
  [[nodiscard]] std::size_t step_slots() const noexcept;
  [[nodiscard]] std::size_t total_bytes() const noexcept;
  [[nodiscard]] int try_guard_range(std::size_t first, std::size_t count) const noexcept;
  void guard_range(std::size_t first, std::size_t count);

  size_class shape_;
  ramie::guard kind_;
  std::uintptr_t base_ = 0;
  std::size_t capacity_ = 0;
  std::size_t opened_ = 0;
  slot* records_ = nullptr;
};

}  // namespace ramie::stack
