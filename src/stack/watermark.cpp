#include "stack/watermark.hpp"

#include "os/memory.hpp"

namespace ramie::stack {
namespace {

using word = volatile std::uintptr_t;  // volatile: a loop that the compiler makes a memset is one that checkers replace

}  // namespace

// Frames that were left without returning may still be poisoned for the address checker.
[[gnu::no_sanitize_address, gnu::no_sanitize_thread]] void wipe(const slot& of) noexcept {
  const std::uintptr_t high = of.high();
  for (std::uintptr_t at = os::lowest_resident(of.low, high); at < high; at += sizeof(word)) {
    word* here = reinterpret_cast<word*>(at);
    if (*here != 0) *here = 0;
  }
}

[[gnu::no_sanitize_address, gnu::no_sanitize_thread]] std::size_t deepest_bytes(const slot& of) noexcept {
  const std::uintptr_t first = of.first_frame();
  for (std::uintptr_t at = os::lowest_resident(of.low, of.high()); at < first; at += sizeof(word)) {
    if (*reinterpret_cast<word*>(at) != 0) return first - at;
  }
  return 0;
}

}  // namespace ramie::stack
