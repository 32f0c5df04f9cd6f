#include "task/frame_filter.hpp"

#include <algorithm>

namespace ramie::inline v0::tasking {
namespace {

bool begins_with_one_of(std::string_view name, std::span<const std::string_view> beginnings) noexcept {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](std::string_view beginning) { return name.starts_with(beginning); });
}

bool is_above_tasks(std::string_view name) noexcept {
  static constexpr std::string_view ours[] = {
      "ramie::v0::parking::", "ramie::v0::control::", "ramie::v0::context::", "ramie::v0::sched::"};
  return begins_with_one_of(name, ours);
}

}  // namespace

bool is_below_tasks(std::string_view name) noexcept {
  static constexpr std::string_view ours[] = {"ramie_first_frame", "ramie::v0::tasking::", "ramie::v0::control::",
                                              "ramie::v0::context::", "ramie::v0::sched::"};
  return begins_with_one_of(name, ours);
}

std::span<const backtrace::frame> without_ours(std::span<const backtrace::frame> frames, bool whole,
                                               const backtrace::frame_names& names) noexcept {
  std::span<const backtrace::frame> rest = frames;
  while (!rest.empty() && is_above_tasks(names.name_of(rest.front()))) rest = rest.subspan(1);
  while (whole && !rest.empty() && is_below_tasks(names.name_of(rest.back()))) rest = rest.first(rest.size() - 1);
  return rest.empty() ? frames : rest;
}

}  // namespace ramie::inline v0::tasking
