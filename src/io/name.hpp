// What the sources of this room know of names: "host:service", and the order in which addresses are tried.
#pragma once

#include <ramie/net.hpp>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace ramie::inline v0::net {

inline constexpr std::string_view unix_prefix = "unix:";
inline bool is_unix_name(std::string_view name) noexcept { return name.starts_with(unix_prefix); }

struct host_and_service {
  std::string_view host, service;  // of the text given; neither is empty
};
// "[::1]:80" without its brackets. Throws std::system_error (invalid_argument).
host_and_service split(std::string_view name);

// The families take turns, beginning with that of the first; within each the order stays (RFC 8305, section 4).
inline std::vector<endpoint> interleaved(const std::vector<endpoint>& found) {
  std::vector<endpoint> result, others;
  for (const endpoint& one : found) (one.family() == found.front().family() ? result : others).push_back(one);
  for (std::size_t i = 0; i < others.size(); ++i) {
    const std::size_t place = std::min(2 * i + 1, result.size());
    result.insert(result.begin() + static_cast<std::ptrdiff_t>(place), others[i]);
  }
  return result;
}

}  // namespace ramie::inline v0::net
