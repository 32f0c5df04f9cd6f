// `ramie symbolize`: names the functions and lines of code addresses, for programs that cannot do it themselves.
//
// Reads lines "module offset" (hexadecimal, as the module's own symbol table counts) and answers each at once with one
// line "function file:line", C++ names demangled; "?? ??:0" where nothing is known. A call that the compiler inlined is
// named with the function that it was inlined into. With elfutils' libdw; without it at build time every answer is
// "?? ??:0", and one line on standard error says so.
#include "command.hpp"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>

#ifdef RAMIE_HAS_LIBDW
#include "symbol_file.hpp"
#endif

namespace ramie::app {

namespace {

struct question {
  std::string module;  // may contain spaces
  std::uint64_t offset = 0;
};

std::optional<question> parse(const std::string& line) {
  const std::size_t space = line.rfind(' ');
  if (space == std::string::npos || space == 0) return std::nullopt;
  const std::string number = line.substr(space + 1);
  std::size_t used = 0;
  try {
    const std::uint64_t offset = std::stoull(number, &used, 16);
    if (used != number.size()) return std::nullopt;
    return question{line.substr(0, space), offset};
  } catch (const std::logic_error&) {
    return std::nullopt;
  }
}

int symbolize() {
#ifdef RAMIE_HAS_LIBDW
  symbol_files files;
#else
  fmt::print(stderr, "ramie symbolize: built without elfutils' libdw (Debian package libdw-dev): no names\n");
#endif
  int status = 0;
  for (std::string line; std::getline(std::cin, line);) {
    const std::optional<question> asked = parse(line);
    if (!asked) {
      fmt::print(stderr, "ramie symbolize: not \"module 0xoffset\": {}\n", line);
      status = 2;
    }
    std::string answer = "?? ??:0";
#ifdef RAMIE_HAS_LIBDW
    if (asked) answer = files.describe(asked->module, asked->offset);
#endif
    fmt::print("{}\n", answer);
    // Whoever asks may stop listening at any moment and uses the answers that it has.
    std::fflush(stdout);
  }
  return status;
}

}  // namespace

action add_symbolize(CLI::App& root) {
  root.add_subcommand("symbolize",
                      "Name functions and lines: reads \"module 0xoffset\", answers \"function file:line\"");
  return symbolize;
}

}  // namespace ramie::app
