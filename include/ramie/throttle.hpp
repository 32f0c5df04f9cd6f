// Not more often than: each wait() takes one of so many turns in a span of time.
//
// Status: experimental.
//
//     ramie::throttle requests(100, 1s);                      // one every 10 ms; {.burst = 5}: five may come at once
//     for (const auto& one : all) { requests.wait(); send(one); }
//
// Any thread. First come, first served; one that is told to go while it waits has taken no turn. Time that nobody used
// is not saved up beyond the burst.
#pragma once

#include <ramie/mutex.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

#pragma GCC visibility push(default)
namespace ramie {

struct throttle_options {
  std::size_t burst = 1;  // turns that may be taken at once after a pause
};

inline namespace v0 {

class throttle {
 public:
  // Throws std::invalid_argument for zero turns or a span that is not longer than zero.
  throttle(std::size_t turns, std::chrono::nanoseconds span, throttle_options options = {});
  throttle(const throttle&) = delete;
  throttle& operator=(const throttle&) = delete;

  void wait();
  // Takes a turn if there is one now and nobody waits.
  [[nodiscard]] bool try_now();

 private:
  [[nodiscard]] std::int64_t wait_ns() const noexcept;
  void take() noexcept;
  mutex line_;                        // who waits for a turn, first come first served; the first one sleeps
  std::int64_t turn_ns_;              // from one turn to the next
  std::int64_t burst_ns_;             // how far back unused time counts
  std::int64_t next_ns_ = INT64_MIN;  // when the next turn is due
};

}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
