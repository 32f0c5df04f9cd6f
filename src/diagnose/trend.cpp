#include "diagnose/trend.hpp"

#include <algorithm>

namespace ramie::diagnose {

void trend::add(double at_seconds, double value) {
  samples_.push_back({at_seconds, value});
  if (samples_.size() > window_) samples_.pop_front();
}

double trend::rate() const {
  if (samples_.size() < 2) return 0;
  double count = static_cast<double>(samples_.size()), mean_at = 0, mean_value = 0;
  for (const sample& s : samples_) {
    mean_at += s.at / count;
    mean_value += s.value / count;
  }
  double together = 0, spread = 0;
  for (const sample& s : samples_) {
    together += (s.at - mean_at) * (s.value - mean_value);
    spread += (s.at - mean_at) * (s.at - mean_at);
  }
  return spread == 0 ? 0 : together / spread;
}

std::optional<double> trend::seconds_until(double limit) const {
  if (samples_.empty()) return std::nullopt;
  double left = limit - samples_.back().value;
  if (left <= 0) return 0;
  double growth = rate();
  if (growth <= 0) return std::nullopt;
  return left / growth;
}

}  // namespace ramie::diagnose
