#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace ramie {

void check_failed(const char* text, const char* file, int line) noexcept {
  char message[512];
  std::snprintf(message, sizeof message, "ramie: check failed: %s (%s:%d)\n", text, file, line);
  std::fputs(message, stderr);
  std::abort();
}

}  // namespace ramie
