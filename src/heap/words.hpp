// Reading memory word by word, for what might be pointers.
//
// Any thread, any readable memory: the words belong to somebody else's stack frames or to half-made objects, so the
// sanitizers' opinion of them is not asked.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__clang__) || defined(__GNUC__)
#define RAMIE_READS_FOREIGN_FRAMES __attribute__((no_sanitize("address"), no_sanitize("thread"), noinline))
#endif

namespace ramie::heaps {

// The words of [from, to) that lie in [base, base + bytes), at most `room` of them, into `into`; moves `from` on and
// returns how many.
RAMIE_READS_FOREIGN_FRAMES inline std::size_t pick_words(const std::uintptr_t*& from, const std::uintptr_t* to,
                                                         std::uintptr_t base, std::uintptr_t bytes,
                                                         std::uintptr_t* into, std::size_t room) noexcept {
  std::size_t count = 0;
  while (from < to && count < room) {
    const std::uintptr_t word = *from++;
    if (word - base < bytes) into[count++] = word;
  }
  return count;
}

template <class Body>
void for_each_word(const void* begin, const void* end, std::uintptr_t base, std::uintptr_t bytes, Body body) {
  const auto* from = static_cast<const std::uintptr_t*>(begin);
  const auto* const to = static_cast<const std::uintptr_t*>(end);
  std::uintptr_t picked[64];
  while (from < to) {
    const std::size_t count = pick_words(from, to, base, bytes, picked, 64);
    for (std::size_t at = 0; at < count; ++at) body(picked[at]);
  }
}

// A parked stack's live part is a few hundred bytes: more than the first lines the processor fetches by itself.
inline void prefetch_words(const void* begin, const void* end) noexcept {
  const auto* line = static_cast<const char*>(begin);
  const auto* const last = static_cast<const char*>(end);
  for (int lines = 0; line < last && lines < 8; ++lines, line += 64) __builtin_prefetch(line);
}

}  // namespace ramie::heaps
