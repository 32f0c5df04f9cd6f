// Names of the frames of many stacks, for texts that are written outside of signal handlers.
//
// The symbolizer is a program that takes tens of milliseconds to start, so all frames are asked about at once:
//
//   frame_names names;
//   names.learn(frames);                    // of all stacks together
//   names.append(text, frames[0]);          // "work() main.cpp:12  (main+0x1234)"
//
// Any thread, not in a signal handler; one object is used by one thread. Throws std::bad_alloc.
#pragma once

#include "backtrace/frame.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace ramie::backtrace {

class frame_names {
 public:
  // Asks about those that it does not know yet; two seconds at most for every few hundred. Where the symbolizer is
  // missing or busy, what dladdr tells.
  void learn(std::span<const frame> frames);
  // "function file:line", the function's name alone, or "" where nothing is known or learn() was not told of it.
  [[nodiscard]] std::string_view name_of(const frame& at) const noexcept;
  // The name, and where the code is: "name  (module+0x1234)".
  void append(std::string& text, const frame& at) const;

 private:
  void ask(std::span<const frame> frames);
  std::unordered_map<std::uintptr_t, std::string> names_;  // by lookup_pc()
};

}  // namespace ramie::backtrace
