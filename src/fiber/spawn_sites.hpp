// Who made the fibers that live: for the text of a stack_error, and for reports.
#pragma once

#include "fiber/cold_block.hpp"

#include <ramie/error.hpp>

#include <cstddef>

namespace ramie::inline v0::control {

// Where a fiber was made, for people: "main.cpp:12"; where a container made it (emplace_back), the line would be one of
// the standard library's, and its function's type says more: "handle(connection)::<lambda()>". Into `text`, shortened
// to fit; never allocates.
void describe_site(const cold_block& about, char* text, std::size_t bytes) noexcept;

// The same error, saying also at which lines of source the most living fibers were made. Reads every control block:
// a few milliseconds at a million fibers, spent only when a stack is refused.
[[nodiscard]] stack_error with_spawn_sites(const stack_error& refused);

}  // namespace ramie::inline v0::control
