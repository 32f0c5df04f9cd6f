// Stacks by hand, in the ways that the bug thread has and proposes: what `ramie bench guards` compares with.
//
// One thread, one population in a process of its own; nothing is ever given back.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ramie::baseline {

enum class stack_way {
  none,             // one mapping, no guards
  mprotect_in_one,  // one mapping, a page of it PROT_NONE for each stack: what the thread's runtime does
  two_mmaps,        // a mapping for the stack and one for its guard: the thread's first proposal
  growsdown,        // MAP_GROWSDOWN: the second; the kernel keeps 1 MiB free below, so slots lie that far apart
  populated,        // MAP_POPULATE and an mprotect guard: all memory at once
  locked            // MAP_LOCKED and an mprotect guard: the third; needs RLIMIT_MEMLOCK
};
[[nodiscard]] const char* name_of(stack_way way) noexcept;

// Slots one above the other, each with a page of guard and `usable_bytes`.
class raw_stacks {
 public:
  // Reserves the address space. `ok()` is false when that is refused.
  raw_stacks(stack_way way, std::size_t usable_bytes, std::size_t most);

  // Makes the next stack and touches its top page. 0 or an errno.
  int make_one() noexcept;
  [[nodiscard]] bool ok() const noexcept { return base_ != 0; }
  [[nodiscard]] std::size_t count() const noexcept { return made_; }
  [[nodiscard]] std::uintptr_t low(std::size_t index) const noexcept {
    return base_ + index * stride_bytes_ + (stride_bytes_ - usable_bytes_);
  }
  [[nodiscard]] std::uintptr_t high(std::size_t index) const noexcept { return low(index) + usable_bytes_; }

 private:
  stack_way way_;
  std::size_t usable_bytes_, stride_bytes_;
  std::uintptr_t base_ = 0;
  std::size_t made_ = 0;
};

}  // namespace ramie::baseline
