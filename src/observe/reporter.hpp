// Tells of stalls on a thread of its own, since to name frames takes tens of milliseconds and a report may block.
#pragma once

#include "observe/sample.hpp"

#include <ramie/stall_watch.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

namespace ramie::inline v0::observe {

struct finding {
  stall what;     // without frames
  sample stacks;  // of a stall that begins
};

class reporter {
 public:
  // Null: to standard error.
  explicit reporter(std::function<void(const stall&)> report) : report_(std::move(report)) {}

  // Any thread. False: so many wait that this one is lost, or there is no memory for it.
  bool put(finding one) noexcept;
  // The thread's whole work: tells until stop() was called and nothing is left.
  void tell_all() noexcept;
  void stop() noexcept;

 private:
  void tell(finding& one);

  const std::function<void(const stall&)> report_;
  std::vector<stall> begun_;  // told, and not over
  std::mutex lock_;
  std::condition_variable more_;
  std::deque<finding> found_;  // under the lock
  bool is_stopped_ = false;    // under the lock
};

}  // namespace ramie::inline v0::observe
