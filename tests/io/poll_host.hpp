// A loop of poll(2) that a runtime waits in: the least that a host can be.
#pragma once

#include <ramie/runtime.hpp>

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

namespace ramie_test {

inline std::int64_t rounded_up_ms(std::chrono::nanoseconds due) {
  return std::chrono::ceil<std::chrono::milliseconds>(due).count();
}

class poll_host {
 public:
  explicit poll_host(ramie::runtime& app) : app_(app), watched_(app.descriptor()) {}
  void run_until(const std::function<bool()>& done) {
    while (!done()) {
      pollfd one = {watched_, POLLIN, 0};
      const int wait_ms = due_ ? static_cast<int>(std::min<std::int64_t>(rounded_up_ms(*due_), 1000)) : 1000;
      ::poll(&one, 1, wait_ms);
      due_ = app_.run_ready();
      ++turns;
    }
  }
  int turns = 0;

 private:
  ramie::runtime& app_;
  const int watched_;
  std::optional<std::chrono::nanoseconds> due_;
};

}  // namespace ramie_test
