#include "bench_fibers_loops.hpp"

#include <ctime>
#include <span>

namespace ramie::app {
namespace {

[[gnu::noinline]] void suspend_one_call_deep() {
  this_fiber::suspend();
  asm volatile("");  // no tail call: the return is what is measured
}

}  // namespace

double thread_time_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

fiber make_suspender(suspend_place place, std::size_t stack_bytes) {
  if (place == suspend_place::nested) {
    return fiber(
        [] {
          for (;;) suspend_one_call_deep();
        },
        {.stack_bytes = stack_bytes, .name = "nested"});
  }
  return fiber(
      [] {
        for (;;) this_fiber::suspend();
      },
      {.stack_bytes = stack_bytes, .name = "inlined"});
}

void add_started(std::vector<fiber>& fibers, std::size_t count, suspend_place place, std::size_t stack_bytes) {
  for (std::size_t i = 0; i < count; ++i) {
    fibers.push_back(make_suspender(place, stack_bytes));
    fibers.back().resume();
  }
}

double resume_pair_ns(std::vector<fiber>& fibers, std::size_t count, std::size_t rounds) {
  const std::span<fiber> some(fibers.data(), count);
  const double start = thread_time_ns();
  for (std::size_t round = 0; round < rounds; ++round) {
    for (fiber& f : some) f.resume();
  }
  return (thread_time_ns() - start) / static_cast<double>(rounds * count);
}

double resume_batch_pair_ns(std::vector<fiber>& fibers, std::size_t count, std::size_t rounds) {
  const std::span<fiber> some(fibers.data(), count);
  const double start = thread_time_ns();
  for (std::size_t round = 0; round < rounds; ++round) resume_each(some);
  return (thread_time_ns() - start) / static_cast<double>(rounds * count);
}

transfer_ring::transfer_ring(std::size_t fibers, std::size_t stack_bytes) {
  fibers_.reserve(fibers);
  for (std::size_t place = 0; place < fibers; ++place) {
    fibers_.emplace_back([this, place] { pass_on(place); }, fiber_options{.stack_bytes = stack_bytes, .name = "ring"});
  }
  static_cast<void>(transfer_ns(1));
}

void transfer_ring::pass_on(std::size_t place) {
  fiber& next = fibers_[place + 1 == fibers_.size() ? 0 : place + 1];
  for (;;) {
    if (--left_ == 0) {
      caller_.transfer();
    } else {
      next.transfer();
    }
  }
}

double transfer_ring::transfer_ns(std::size_t laps) {
  left_ = laps * fibers_.size();
  caller_ = this_fiber::ref();
  const double start = thread_time_ns();
  fibers_[0].transfer();
  return (thread_time_ns() - start) / static_cast<double>(laps * fibers_.size());
}

double create_run_finish_ns(std::size_t times, std::size_t stack_bytes) {
  std::size_t ran = 0;
  const double start = thread_time_ns();
  for (std::size_t i = 0; i < times; ++i) {
    fiber f([&ran] { ++ran; }, {.stack_bytes = stack_bytes, .name = "short"});
    f.resume();
  }
  const double spent = thread_time_ns() - start;
  return ran == times ? spent / static_cast<double>(times) : -1;
}

}  // namespace ramie::app
