// The measured loops, as a user would write them: public headers, no flags but the release build's own.
//
// The peers' programs in bench/ compile the same file, so that ratios compare the same machine code.
#pragma once

#include <ramie/fiber.hpp>

#include <cstddef>
#include <memory>
#include <vector>

namespace ramie::app {

// Processor time of the calling thread. On a quiet machine it is the time on the wall; on a busy one it leaves out what
// others took in between, as the wall does not.
[[nodiscard]] double thread_time_ns() noexcept;

// Where the fiber's suspend() stands: in its outermost function, or in a function that this one calls and that the
// compiler does not inline. The second pays for a return address that no predictor can know.
enum class suspend_place { inlined, nested };

// A fiber that suspends for ever.
[[nodiscard]] fiber make_suspender(suspend_place place, std::size_t stack_bytes);

// Time for one resume and its suspend: `rounds` times each of the fibers, in order. Already started ones only.
[[nodiscard]] double resume_pair_ns(std::vector<fiber>& fibers, std::size_t count, std::size_t rounds);
[[nodiscard]] double resume_batch_pair_ns(std::vector<fiber>& fibers, std::size_t count, std::size_t rounds);

// Fibers that pass control around by transfer(): the thread's first program. One thread; not movable.
class transfer_ring {
 public:
  transfer_ring(std::size_t fibers, std::size_t stack_bytes);  // starts them all: one lap
  [[nodiscard]] double transfer_ns(std::size_t laps);
  [[nodiscard]] std::size_t size() const { return fibers_.size(); }

 private:
  void pass_on(std::size_t place);
  std::vector<fiber> fibers_;
  std::size_t left_ = 0;  // transfers until control comes back to the caller
  fiber_ref caller_;
};

// Make a fiber, run its body to the end, drop it: one stack, over and over.
[[nodiscard]] double create_run_finish_ns(std::size_t times, std::size_t stack_bytes);

// Make `count` more fibers and start each: what a fresh stack costs.
void add_started(std::vector<fiber>& fibers, std::size_t count, suspend_place place, std::size_t stack_bytes);

}  // namespace ramie::app
