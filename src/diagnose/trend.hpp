// How fast a count grows, and when it meets its limit. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace ramie::diagnose {

// The slope over the last `window` samples, by least squares: a pool that grows in batches must not look like a jump.
class trend {
 public:
  explicit trend(std::size_t window = 30) : window_(window) {}

  void add(double at_seconds, double value);
  std::size_t samples() const { return samples_.size(); }
  // Per second; 0 with fewer than two samples.
  double rate() const;
  // Seconds until `limit` at the present rate; nothing when it is not growing. 0: already there.
  std::optional<double> seconds_until(double limit) const;

 private:
  struct sample {
    double at, value;
  };
  std::size_t window_;
  std::deque<sample> samples_;
};

}  // namespace ramie::diagnose
