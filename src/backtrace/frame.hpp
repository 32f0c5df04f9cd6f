// The words of this room: where a stack stands, which bytes of it may be read, and what a walk along it found.
//
// Plain values, no pointers into anything: a trace may be copied out of a signal handler and printed later by another
// thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ramie::backtrace {

// Where a stack that does not run stands: what a switch has saved.
struct resume_point {
  std::uintptr_t pc = 0;  // the instruction at which it goes on
  std::uintptr_t sp = 0;  // the stack pointer as it will be there
  std::uintptr_t fp = 0;  // rbp, x29
};

// The bytes of one stack that may be read: [low, high). A walk reads nothing outside.
struct stack_bounds {
  std::uintptr_t low = 0;
  std::uintptr_t high = 0;
  std::uintptr_t to_copy = 0;  // added to an address before it is read: the bytes are read in a copy of the stack
};

struct frame {
  std::uintptr_t pc = 0;        // return address, or the interrupted instruction when `exact`
  std::uintptr_t function = 0;  // first address of the function by its unwind table, 0 where it has none
  bool exact = false;

  // The address to look up: a return address may be the first one after its function, or on the next line.
  [[nodiscard]] std::uintptr_t lookup_pc() const noexcept { return exact ? pc : pc - 1; }
  // Equal for two frames of one function; of one call where functions are not known.
  [[nodiscard]] std::uintptr_t identity() const noexcept { return function != 0 ? function : pc; }
};

// Why a walk ended.
enum class ending : std::uint8_t {
  bottom,         // the outermost frame said so: no return address
  out_of_bounds,  // the next frame is not inside the bounds, or does not lie above this one
  no_caller,      // no unwind table and no frame pointer that could be one
  full,           // the caller wanted no more
};

[[nodiscard]] constexpr const char* describe(ending reason) noexcept {
  switch (reason) {
    case ending::bottom:
      return "the bottom of the stack";
    case ending::out_of_bounds:
      return "the next frame is not on this stack";
    case ending::no_caller:
      return "no unwind information";
    case ending::full:
      return "no more were asked for";
  }
  return "";
}

// A small set of functions. It gives up, and says so, when there are more than it holds.
class function_set {
 public:
  static constexpr std::size_t capacity = 8;
  bool add(std::uintptr_t identity) noexcept;  // false: it is full and does not hold this one
  [[nodiscard]] bool holds(std::uintptr_t identity) const noexcept;
  [[nodiscard]] bool complete() const noexcept { return complete_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::uintptr_t operator[](std::size_t at) const noexcept { return members_[at]; }

 private:
  std::array<std::uintptr_t, capacity> members_ = {};
  std::uint8_t size_ = 0;
  bool complete_ = true;
};

// The newest and the oldest frames of a walk, and what is known of those between. About 1 KiB.
//
// A deep recursion has a million frames; what tells the story is where it was caught, who started it and what went
// round in between. So a walk is a stream: it ends in `newest` until that is full, then runs through `oldest`, a ring.
class trace {
 public:
  static constexpr std::size_t newest_limit = 32;
  static constexpr std::size_t oldest_limit = 8;

  void add(const frame& next) noexcept;  // in order, newest first
  void end(ending reason) noexcept { ending_ = reason; }

  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::size_t newest_count() const noexcept { return newest_count_; }
  [[nodiscard]] std::size_t oldest_count() const noexcept { return oldest_count_; }
  [[nodiscard]] const frame& newest(std::size_t at) const noexcept { return newest_[at]; }
  [[nodiscard]] const frame& oldest(std::size_t at) const noexcept {  // 0 is the newest of them
    return oldest_[(oldest_begin_ + at) % oldest_limit];
  }
  [[nodiscard]] std::uint64_t between() const noexcept { return total_ - newest_count_ - oldest_count_; }
  [[nodiscard]] const function_set& between_functions() const noexcept { return between_functions_; }
  [[nodiscard]] ending ended() const noexcept { return ending_; }

 private:
  std::array<frame, newest_limit> newest_ = {};
  std::array<frame, oldest_limit> oldest_ = {};
  std::uint64_t total_ = 0;
  std::uint8_t newest_count_ = 0;
  std::uint8_t oldest_count_ = 0;
  std::uint8_t oldest_begin_ = 0;
  ending ending_ = ending::full;
  function_set between_functions_;
};

}  // namespace ramie::backtrace
