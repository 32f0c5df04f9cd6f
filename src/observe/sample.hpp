// What a scheduler's thread does at this moment: which task runs there, and its frames.
//
// A thread that computes is asked by a signal, and its handler looks at itself. One that waits in the kernel is looked
// at from here, in copies of its memory, as a signal would end its call. One sample at a time in a process.
#pragma once

#include "backtrace/frame.hpp"
#include "os/signals.hpp"
#include "sched/inspect.hpp"

#include <ramie/call_site.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace ramie::inline v0::observe {

struct sample {
  bool is_of_a_task = false;  // false: the slice was over, or the loop itself ran
  const char* task = "";      // a literal: names live as long as the program
  call_site spawned_at;
  std::size_t could_run = 0;
  long system_call = -1;
  // Of the fiber that ran, and of those that wait for it. Fibers beyond are left out.
  static constexpr std::size_t fibers_most = 4;
  std::array<backtrace::trace, fibers_most> stacks;
  std::size_t fibers = 0;
  const char* no_frames = "";
};

// Takes the signal, while it lives. Throws std::system_error. One for a process, which the caller sees to.
class sampler {
 public:
  explicit sampler(int signal);
  ~sampler();
  sampler(const sampler&) = delete;
  sampler& operator=(const sampler&) = delete;

  // Of the slice that was seen. Takes 20 us, or 100 ms at most where the thread does not answer.
  void take(const sched::sight& seen, sample& into) noexcept;
  // In a forked child: whoever was asked is gone, and the signal goes back. It must not be destroyed then.
  void forget_threads() noexcept;

 private:
  static void answer(int signal, siginfo_t* about, void* machine) noexcept;

  const int signal_;
};

}  // namespace ramie::inline v0::observe
