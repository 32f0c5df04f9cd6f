// Processor and kernel counters around a loop (perf_event_open), where the kernel has them.
//
// One thread. Virtual machines often have no hardware counters: each one is opened by itself, and what is missing is
// told once, with the reason.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace ramie::app {

class perf_counters {
 public:
  static constexpr int count = 5;
  static constexpr std::array<const char*, count> units = {"cycles", "instructions", "dtlb_misses", "cache_misses",
                                                           "page_faults"};
  perf_counters();
  ~perf_counters();
  perf_counters(const perf_counters&) = delete;
  perf_counters& operator=(const perf_counters&) = delete;

  void start() noexcept;
  // What each has counted since start(); negative where it could not be opened.
  [[nodiscard]] std::array<double, count> stop() noexcept;
  // "" when all opened; else one line: which not, and why.
  [[nodiscard]] const std::string& missing() const noexcept { return missing_; }

 private:
  std::array<int, count> descriptors_{};
  std::string missing_;
};

}  // namespace ramie::app
