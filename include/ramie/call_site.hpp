// Where in the user's source something was created: a file and a line, carried by a default argument.
//
// Status: stable.
//
// std::source_location would say the same; clang 14 with libstdc++ 12 does not have it.
#pragma once

namespace ramie {

struct call_site {
  const char* file = "";
  unsigned line = 0;

  // Use as a default argument: `call_site site = call_site::current()` names the caller's line.
  static constexpr call_site current(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) noexcept {
    return {file, line};
  }
};

}  // namespace ramie
