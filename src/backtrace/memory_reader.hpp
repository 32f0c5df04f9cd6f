// Reads words of one stack and refuses every other address.
#pragma once

#include "backtrace/frame.hpp"

#include <cstdint>

namespace ramie::backtrace {

class memory_reader {
 public:
  explicit memory_reader(stack_bounds bounds) noexcept : bounds_(bounds) {}

  // False, and nothing is read, unless the whole word lies inside the bounds and is aligned. The stack may be another
  // frame's, even another fiber's: sanitizers are not asked.
  __attribute__((no_sanitize("address", "thread", "undefined"))) bool word(std::uintptr_t address,
                                                                           std::uintptr_t& into) const noexcept {
    if (address % sizeof(std::uintptr_t) != 0 || address < bounds_.low || bounds_.high < sizeof(std::uintptr_t) ||
        address > bounds_.high - sizeof(std::uintptr_t))
      return false;
    into = *reinterpret_cast<const volatile std::uintptr_t*>(address + bounds_.to_copy);
    return true;
  }
  [[nodiscard]] const stack_bounds& bounds() const noexcept { return bounds_; }

 private:
  stack_bounds bounds_;
};

}  // namespace ramie::backtrace
