// Which frames of a task's stack are the program's own: ours at both ends say the same of every task.
#pragma once

#include "backtrace/frame.hpp"
#include "backtrace/frame_names.hpp"

#include <span>
#include <string_view>

namespace ramie::inline v0::tasking {

// `whole`: the last frame is the outermost. All of them where nothing else would be left.
std::span<const backtrace::frame> without_ours(std::span<const backtrace::frame> frames, bool whole,
                                               const backtrace::frame_names& names) noexcept;

// By its name: a frame of ours that every task stands on.
bool is_below_tasks(std::string_view name) noexcept;

}  // namespace ramie::inline v0::tasking
