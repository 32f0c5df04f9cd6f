// Notes which fibers of a thread have run, for parked_stacks.
//
// A fiber that was looked at carries tag_baggage in its word, as one with exceptions in flight does, so the inlined
// switches pass it to the slow paths; these note that it ran. The inlined paths know nothing of this.
#pragma once

#include "fiber/thread.hpp"

#include <cstdint>
#include <vector>

namespace ramie::inline v0::control {

// In control_block::flags: the flag, and above it the fiber's place plus one.
inline constexpr std::uint32_t was_looked_at = 8;
inline constexpr unsigned place_shift = 8;

struct stack_watch {
  std::vector<control_block*> ran;   // since the last look; may hold fibers twice, and ended ones
  std::vector<std::uint32_t> ended;  // places to be told of
  std::vector<std::uint32_t> free_places;
  std::uint32_t places = 0;
  std::uint32_t generation = 0;  // the last one given
  bool lost_track = false;       // no memory to note who ran: the next look starts over
};

inline stack_watch* watch_of(const thread_words& thread) noexcept { return static_cast<stack_watch*>(thread.watch); }

// It is about to run, by one of the slow paths; or it starts.
void note_run_slowly(thread_words& thread, control_block* fiber) noexcept;
inline void note_run(thread_words& thread, control_block* fiber) noexcept {
  if ((fiber->flags & was_looked_at) != 0) [[unlikely]]
    note_run_slowly(thread, fiber);
}
inline void note_start(thread_words& thread, control_block* fiber) noexcept {
  if (thread.watch != nullptr) [[unlikely]]
    note_run_slowly(thread, fiber);
}
// Its stack is given back.
void note_end_slowly(thread_words& thread, control_block* fiber) noexcept;
inline void note_end(thread_words& thread, control_block* fiber) noexcept {
  if ((fiber->flags >> place_shift) != 0) [[unlikely]]
    note_end_slowly(thread, fiber);
}

}  // namespace ramie::inline v0::control
