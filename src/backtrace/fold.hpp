// A trace as people read it: a recursion is shown once, and counted.
//
//     0  visit  tree.cpp:31
//     1  walk  tree.cpp:40
//     ... 1,832 more frames of the same 2 functions
//  1834  main  main.cpp:12
//
// Frames fold when a run of them, at least twelve and going on over what the trace left out, belongs to at most eight
// functions, each of which comes back at least three times. By functions and not by a repeated pattern, because a
// recursion over a tree has none. Safe in signal handlers.
#pragma once

#include "backtrace/frame.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ramie::backtrace {

struct folded_line {
  enum class kind : std::uint8_t { frame, repeated, left_out };
  kind what = kind::frame;
  std::uint64_t number = 0;   // frame: its place, 0 is the newest; others: how many frames
  std::size_t functions = 0;  // repeated: how many functions they belong to
  frame at;                   // frame: which
};

inline constexpr std::size_t folded_line_limit = trace::newest_limit + trace::oldest_limit + 1;

// The lines of the trace, in `lines`; what does not fit is left out at the end.
std::span<folded_line> fold(const trace& frames, std::span<folded_line, folded_line_limit> lines) noexcept;

}  // namespace ramie::backtrace
