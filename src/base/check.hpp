// RAMIE_CHECK: what must hold by our own reasoning. Stays on in release, prints the statement and aborts.
//
// For our bugs only: a caller's mistake is a typed exception, the world's refusal a std::system_error.
#pragma once

namespace ramie {

// Writes "ramie: check failed: <text> (<file>:<line>)" to standard error in one piece and aborts. Never allocates.
[[noreturn]] void check_failed(const char* text, const char* file, int line) noexcept;

}  // namespace ramie

#define RAMIE_CHECK(condition)                               \
  do {                                                       \
    if (!(condition)) [[unlikely]]                           \
      ::ramie::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
