// The loops of bench_fibers_loops.hpp on Boost.Context and Boost.Fiber.
#pragma once

#include "bench_fibers_loops.hpp"

#include <boost/context/fiber.hpp>
#include <cstddef>
#include <vector>

namespace ramie::peer {

namespace context = boost::context;
using app::suspend_place;

enum class stack_kind {
  fixedsize,   // the default: malloc, no guard
  pooled,      // a free list, no guard
  protected_,  // a guard page by mprotect: two mappings each
};

// Fibers that resume their resumer for ever, each started. `stack_bytes` 0: the library's default, 128 KiB.
class population {
 public:
  population(suspend_place place, stack_kind kind, std::size_t stack_bytes);
  void add_started(std::size_t count);  // throws std::bad_alloc
  [[nodiscard]] double resume_pair_ns(std::size_t count, std::size_t rounds);
  [[nodiscard]] std::size_t size() const { return fibers_.size(); }

 private:
  suspend_place place_;
  stack_kind kind_;
  std::size_t stack_bytes_;
  std::vector<context::fiber> fibers_;
};

// Each resumes its successor directly.
class ring {
 public:
  explicit ring(std::size_t fibers);
  [[nodiscard]] double transfer_ns(std::size_t laps);

 private:
  context::fiber pass_on(std::size_t place, context::fiber&& from);
  std::vector<context::fiber> fibers_;
  std::size_t left_ = 0;
  context::fiber caller_;
  bool entering_ = false;
};

[[nodiscard]] double create_run_finish_ns(std::size_t times, stack_kind kind);

// Boost.Fiber: `count` fibers that yield; one yield, scheduler included.
class yielders {
 public:
  yielders(std::size_t count, stack_kind kind, std::size_t stack_bytes);
  [[nodiscard]] double yield_ns(std::size_t rounds);

 private:
  std::size_t count_;
};
[[nodiscard]] double fiber_create_run_finish_ns(std::size_t times);

[[nodiscard]] const char* boost_version();

}  // namespace ramie::peer
