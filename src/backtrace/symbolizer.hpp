// Names of functions and lines, from a program that may do what a signal handler may not.
//
// Reading debug information allocates and takes megabytes of code, so it happens in `ramie symbolize`: it gets lines
// "module offset" (offset in hexadecimal, 0x...) and answers each with one line "function file:line"; "?? ??:0" where
// it knows nothing. Any program that does the same will do: it is started with the one argument "symbolize".
//
// Looked for in this order: RAMIE_SYMBOLIZER (a path; empty: none), the program's own folder, PATH. A set-user-id
// program runs none. Safe in signal handlers; it takes two seconds at most, after which what was answered counts and
// the program is killed.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ramie::backtrace {

inline constexpr std::uint64_t symbolizer_limit_ns = 2'000'000'000;

// Finds the program once and keeps its path: to be called where signal handlers are installed, since a later change of
// the environment may be half done when a handler reads it. symbolize() calls it when nobody has. Any thread.
void find_symbolizer() noexcept;

// The path that was found, "" for none.
const char* symbolizer_path() noexcept;

enum class symbolized : std::uint8_t {
  answered,
  no_program,   // none was found
  not_started,  // the system refused to start it
  timed_out,    // killed; the answer may hold the first lines
};

// Sends the questions and stores the whole lines of the answer in `memory`; one thread at a time.
symbolized symbolize(std::string_view questions, std::span<char> memory, std::string_view& answer) noexcept;

}  // namespace ramie::backtrace
