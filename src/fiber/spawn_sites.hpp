// Who made the fibers that live: for the text of a stack_error, and for reports.
#pragma once

#include <ramie/error.hpp>

namespace ramie::inline v0::control {

// The same error, saying also at which lines of source the most living fibers were made. Reads every control block:
// a few milliseconds at a million fibers, spent only when a stack is refused.
[[nodiscard]] stack_error with_spawn_sites(const stack_error& refused);

}  // namespace ramie::inline v0::control
