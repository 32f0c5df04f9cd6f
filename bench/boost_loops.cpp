#include "boost_loops.hpp"

#include <boost/context/fixedsize_stack.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <boost/fiber/all.hpp>
#include <boost/version.hpp>
#include <memory>
#include <utility>

namespace ramie::peer {
namespace {

using app::thread_time_ns;
using context::fiber;

[[gnu::noinline]] void resume_one_call_deep(fiber& resumer) {
  resumer = std::move(resumer).resume();
  asm volatile("");
}

template <class Stacks>
void add(std::vector<fiber>& fibers, std::size_t count, suspend_place place, Stacks stacks) {
  for (std::size_t i = 0; i < count; ++i) {
    if (place == suspend_place::nested) {
      fibers.emplace_back(std::allocator_arg, stacks, [](fiber&& resumer) -> fiber {
        for (;;) resume_one_call_deep(resumer);
      });
    } else {
      fibers.emplace_back(std::allocator_arg, stacks, [](fiber&& resumer) -> fiber {
        for (;;) resumer = std::move(resumer).resume();
      });
    }
    fibers.back() = std::move(fibers.back()).resume();
  }
}

template <class Stacks>
double create_with(std::size_t times, Stacks stacks) {
  std::size_t ran = 0;
  const double start = thread_time_ns();
  for (std::size_t i = 0; i < times; ++i) {
    fiber f(std::allocator_arg, stacks, [&ran](fiber&& resumer) {
      ++ran;
      return std::move(resumer);
    });
    f = std::move(f).resume();
  }
  const double spent = thread_time_ns() - start;
  return ran == times ? spent / static_cast<double>(times) : -1;
}

std::size_t or_default(std::size_t bytes) { return bytes != 0 ? bytes : context::stack_traits::default_size(); }

}  // namespace

const char* boost_version() { return BOOST_LIB_VERSION; }

population::population(suspend_place place, stack_kind kind, std::size_t stack_bytes)
    : place_(place), kind_(kind), stack_bytes_(or_default(stack_bytes)) {}

void population::add_started(std::size_t count) {
  fibers_.reserve(fibers_.size() + count);
  if (kind_ == stack_kind::protected_) {
    add(fibers_, count, place_, context::protected_fixedsize_stack(stack_bytes_));
  } else if (kind_ == stack_kind::pooled) {
    static context::pooled_fixedsize_stack pool(stack_bytes_);
    add(fibers_, count, place_, pool);
  } else {
    add(fibers_, count, place_, context::fixedsize_stack(stack_bytes_));
  }
}

double population::resume_pair_ns(std::size_t count, std::size_t rounds) {
  const double start = thread_time_ns();
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < count; ++i) fibers_[i] = std::move(fibers_[i]).resume();
  }
  return (thread_time_ns() - start) / static_cast<double>(rounds * count);
}

ring::ring(std::size_t fibers) {
  fibers_.reserve(fibers);
  for (std::size_t place = 0; place < fibers; ++place) {
    fibers_.emplace_back(std::allocator_arg, context::fixedsize_stack(),
                         [this, place](fiber&& from) { return pass_on(place, std::move(from)); });
  }
  static_cast<void>(transfer_ns(1));
}

// Whoever is resumed gets its predecessor's continuation, and keeps it where the ring will look for it.
fiber ring::pass_on(std::size_t place, fiber&& from) {
  const std::size_t count = fibers_.size();
  const std::size_t next = place + 1 == count ? 0 : place + 1, previous = place == 0 ? count - 1 : place - 1;
  for (;;) {
    if (entering_) {
      entering_ = false;
      caller_ = std::move(from);
    } else {
      fibers_[previous] = std::move(from);
    }
    if (--left_ == 0) {
      from = std::move(caller_).resume();
    } else {
      from = std::move(fibers_[next]).resume();
    }
  }
}

double ring::transfer_ns(std::size_t laps) {
  left_ = laps * fibers_.size();
  entering_ = true;
  const double start = thread_time_ns();
  fibers_.back() = std::move(fibers_[0]).resume();  // the last of a lap is who comes back here
  return (thread_time_ns() - start) / static_cast<double>(laps * fibers_.size());
}

double create_run_finish_ns(std::size_t times, stack_kind kind) {
  if (kind == stack_kind::protected_) return create_with(times, context::protected_fixedsize_stack());
  if (kind == stack_kind::pooled) return create_with(times, context::pooled_fixedsize_stack());
  return create_with(times, context::fixedsize_stack());
}

yielders::yielders(std::size_t count, stack_kind kind, std::size_t stack_bytes) : count_(count) {
  static context::pooled_fixedsize_stack pool(or_default(stack_bytes));
  for (std::size_t i = 0; i < count; ++i) {
    const auto body = [] {
      for (;;) boost::this_fiber::yield();
    };
    if (kind == stack_kind::pooled) {
      boost::fibers::fiber(std::allocator_arg, pool, body).detach();
    } else {
      boost::fibers::fiber(std::allocator_arg, context::fixedsize_stack(or_default(stack_bytes)), body).detach();
    }
  }
  boost::this_fiber::yield();
}

double yielders::yield_ns(std::size_t rounds) {
  const double start = thread_time_ns();
  for (std::size_t round = 0; round < rounds; ++round) boost::this_fiber::yield();
  return (thread_time_ns() - start) / static_cast<double>(rounds * (count_ + 1));
}

double fiber_create_run_finish_ns(std::size_t times) {
  std::size_t ran = 0;
  const double start = thread_time_ns();
  for (std::size_t i = 0; i < times; ++i) boost::fibers::fiber([&ran] { ++ran; }).join();
  const double spent = thread_time_ns() - start;
  return ran == times ? spent / static_cast<double>(times) : -1;
}

}  // namespace ramie::peer
