// How long something has taken, and which of many samples stands at a share of them. For the command's loops and the
// peers'.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace ramie::app {

inline double ns_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

// 0.5: the median, 0.99: what one of a hundred exceeds. Of at least one sample; they change places.
inline double percentile(std::vector<double>& samples, double share) {
  const auto place = static_cast<std::ptrdiff_t>(static_cast<double>(samples.size() - 1) * share);
  std::nth_element(samples.begin(), samples.begin() + place, samples.end());
  return samples[static_cast<std::size_t>(place)];
}

}  // namespace ramie::app
