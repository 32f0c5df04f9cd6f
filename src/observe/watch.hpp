// Finds slices that last, by looking at the number of each scheduler's slice twice in the threshold.
//
// One for a process. Two threads: one looks, the other tells (reporter.hpp).
#pragma once

#include "observe/reporter.hpp"
#include "observe/sample.hpp"
#include "os/forks.hpp"
#include "sched/inspect.hpp"

#include <ramie/stall_watch.hpp>

#include <atomic>
#include <cstdint>
#include <random>
#include <vector>

namespace ramie::inline v0::observe {

class watch {
 public:
  // Of options that can be. Throws std::system_error for the signal and the threads.
  explicit watch(stall_options&& options);
  ~watch();  // not in a forked child
  watch(const watch&) = delete;
  watch& operator=(const watch&) = delete;

  [[nodiscard]] stall_watch::statistics counts() const noexcept;
  // This process's, and not the parent's.
  [[nodiscard]] bool is_ours() const noexcept { return forks_ == os::fork_count(); }
  // In a forked child.
  void forget_threads() noexcept { sampler_.forget_threads(); }

 private:
  // A scheduler, and the slice in which it was seen last.
  struct watched {
    sched::sight last;
    std::int64_t since_ns = 0;  // it was seen then for the first time
    bool was_sampled = false;
    bool is_stall = false;
    std::uint64_t told_as = 0;  // its number; 0: it was not told
    bool is_there = true;
  };

  void start(const char* name, void (*body)(watch& self));
  void stop() noexcept;
  void look_until_stopped() noexcept;
  bool look() noexcept;  // false: no scheduler was busy
  void see(const sched::sight& now, std::int64_t now_ns);
  void measure(const watched& one, std::int64_t now_ns) noexcept;
  void begin(watched& one, std::int64_t now_ns) noexcept;
  void end(watched& one, std::int64_t now_ns) noexcept;
  void sleep_until_one_is_busy() noexcept;

  const std::int64_t threshold_ns_;
  const double sample_rate_;
  const std::uint32_t forks_ = os::fork_count();
  sampler sampler_;
  reporter reporter_;
  std::atomic<std::uint32_t> is_stopped_ = 0;
  std::atomic<std::uint32_t> threads_ = 0;  // of ours
  std::atomic<std::uint64_t> stalls_ = 0, lost_ = 0;
  std::atomic<std::int64_t> longest_ns_ = 0;

  // Of the thread that looks.
  std::vector<sched::sight> sights_;
  std::vector<watched> known_;
  finding found_;
  std::minstd_rand chance_;
};

}  // namespace ramie::inline v0::observe
