#include "boost_scheduler_loops.hpp"

#include "bench_clock.hpp"
#include "bench_machine.hpp"
#include "bench_scheduler_loops.hpp"

#include <algorithm>
#include <boost/context/fixedsize_stack.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <boost/fiber/all.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

namespace ramie::peer {
namespace {

namespace fibers = boost::fibers;
using clock = std::chrono::steady_clock;
using app::ns_since;
using app::percentile;
using std::chrono::milliseconds;

// Makes fibers on one kind of stacks, and joins them: what a scope is to ours.
class crew {
 public:
  explicit crew(const boost_stacks& stacks)
      : kind_(stacks.kind),
        bytes_(stacks.stack_bytes != 0 ? stacks.stack_bytes : context::stack_traits::default_size()) {}
  void reserve(std::size_t count) { all_.reserve(count); }
  template <class F>
  fibers::fiber make(F body) {
    switch (kind_) {
      case stack_kind::pooled: {
        // Kept from sample to sample, as ramie's pool is.
        static context::pooled_fixedsize_stack pool(bytes_);
        return {std::allocator_arg, pool, std::move(body)};
      }
      case stack_kind::protected_:
        return {std::allocator_arg, context::protected_fixedsize_stack(bytes_), std::move(body)};
      default:
        return {std::allocator_arg, context::fixedsize_stack(bytes_), std::move(body)};
    }
  }
  template <class F>
  void spawn(F body) {
    all_.push_back(make(std::move(body)));
  }
  void join() {
    for (fibers::fiber& one : all_) one.join();
    all_.clear();
  }

 private:
  stack_kind kind_;
  std::size_t bytes_;
  std::vector<fibers::fiber> all_;
};

}  // namespace

double boost_yield_ns(const boost_stacks& stacks, std::size_t count, std::size_t rounds) {
  double elapsed_ns = 0;
  clock::time_point start;
  std::size_t started = 0, ended = 0;
  crew all(stacks);
  all.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    all.spawn([&] {
      if (++started == count) start = clock::now();
      boost::this_fiber::yield();
      for (std::size_t round = 0; round < rounds; ++round) boost::this_fiber::yield();
      if (++ended == 1) elapsed_ns = ns_since(start);
    });
  }
  all.join();
  return elapsed_ns / static_cast<double>(count) / static_cast<double>(rounds + 1);
}

double boost_spawn_join_ns(const boost_stacks& stacks, std::size_t times) {
  crew all(stacks);
  all.make([] {}).join();
  const auto start = clock::now();
  for (std::size_t i = 0; i < times; ++i) all.make([] {}).join();
  return ns_since(start) / static_cast<double>(times);
}

namespace {

template <class Channel, class... Capacity>
double ping_pong_ns(const boost_stacks& stacks, std::size_t messages, Capacity... capacity) {
  Channel there(capacity...), back(capacity...);
  crew all(stacks);
  all.spawn([&] {
    std::size_t got = 0;
    while (there.pop(got) == fibers::channel_op_status::success) back.push(got);
  });
  double elapsed_ns = 0;
  all.spawn([&] {
    std::size_t got = 0;
    there.push(0);
    back.pop(got);
    const auto start = clock::now();
    for (std::size_t i = 0; i < messages; i += 2) {
      there.push(i);
      back.pop(got);
    }
    elapsed_ns = ns_since(start) / static_cast<double>((messages + 1) / 2 * 2);
    there.close();
  });
  all.join();
  return elapsed_ns;
}

template <class Channel, class... Capacity>
double all_into_one_ns(const boost_stacks& stacks, std::size_t producers, std::size_t messages, Capacity... capacity) {
  Channel into(capacity...);
  const std::size_t each = std::max<std::size_t>(messages / producers, 1);
  crew all(stacks);
  all.reserve(producers + 1);
  double elapsed_ns = 0;
  for (std::size_t i = 0; i < producers; ++i) {
    all.spawn([&] {
      for (std::size_t sent = 0; sent < each; ++sent) into.push(sent);
    });
  }
  const auto start = clock::now();
  all.spawn([&] {
    std::size_t got = 0;
    for (std::size_t left = producers * each; left != 0; --left) into.pop(got);
    elapsed_ns = ns_since(start) / static_cast<double>(producers * each);
  });
  all.join();
  return elapsed_ns;
}

}  // namespace

double boost_channel_ns(const boost_stacks& stacks, std::size_t messages, bool buffered) {
  if (!buffered) return ping_pong_ns<fibers::unbuffered_channel<std::size_t>>(stacks, messages);
  return ping_pong_ns<fibers::buffered_channel<std::size_t>>(stacks, messages, std::size_t{2});
}

double boost_fan_in_ns(const boost_stacks& stacks, std::size_t producers, std::size_t messages, std::size_t capacity) {
  if (capacity == 0) return all_into_one_ns<fibers::unbuffered_channel<std::size_t>>(stacks, producers, messages);
  return all_into_one_ns<fibers::buffered_channel<std::size_t>>(stacks, producers, messages, capacity);
}

double boost_mutex_ns(const boost_stacks& stacks, std::size_t times) {
  double elapsed_ns = 0;
  crew all(stacks);
  all.spawn([&] {
    fibers::mutex one;
    const auto start = clock::now();
    for (std::size_t i = 0; i < times; ++i) {
      one.lock();
      one.unlock();
    }
    elapsed_ns = ns_since(start);
  });
  all.join();
  return elapsed_ns / static_cast<double>(times);
}

double boost_mutex_contended_ns(const boost_stacks& stacks, std::size_t times) {
  fibers::mutex one;
  clock::time_point start;
  double elapsed_ns = 0;
  std::size_t left = times;
  crew all(stacks);
  for (const bool is_first : {true, false}) {
    all.spawn([&, is_first] {
      boost::this_fiber::yield();
      if (is_first) start = clock::now();
      while (left != 0) {
        one.lock();
        if (left != 0) --left;
        boost::this_fiber::yield();
        one.unlock();
      }
      elapsed_ns = std::max(elapsed_ns, ns_since(start));
    });
  }
  all.join();
  return elapsed_ns / static_cast<double>(times);
}

boost_sleepers boost_measure_sleepers(const boost_stacks& stacks, std::size_t count, std::uint32_t seed) {
  std::vector<double> late_ms;
  late_ms.reserve(count);
  std::mt19937 random(seed);
  const double before = app::processor_ms();
  crew all(stacks);
  all.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const milliseconds nap(1 + random() % 1000);
    all.spawn([&, nap] {
      const auto due = clock::now() + nap;
      boost::this_fiber::sleep_until(due);
      late_ms.push_back(ns_since(due) / 1e6);
    });
  }
  all.join();
  boost_sleepers figures;
  figures.processor_ms = app::processor_ms() - before;
  figures.lateness_p50_ms = percentile(late_ms, 0.5);
  figures.lateness_p99_ms = percentile(late_ms, 0.99);
  return figures;
}

double boost_starvation_p99_ms(const boost_stacks& stacks, std::size_t count, std::size_t duration_ms, bool yields) {
  std::vector<double> late_ms;
  bool over = false;
  crew all(stacks);
  all.reserve(count + 1);
  for (std::size_t i = 0; i < count; ++i) {
    all.spawn([&, i] {
      auto due = clock::now() + std::chrono::microseconds(10'000 * i / count);
      while (!over) {
        due += milliseconds(10);
        boost::this_fiber::sleep_until(due);
        late_ms.push_back(ns_since(due) / 1e6);
        due = std::max(due, clock::now() - milliseconds(10));
      }
    });
  }
  all.spawn([&] {
    boost::this_fiber::sleep_for(milliseconds(50));
    late_ms.clear();
    const auto end = clock::now() + milliseconds(duration_ms);
    volatile std::uint64_t work = 0;
    for (std::size_t turn = 0; clock::now() < end; ++turn) {
      for (int i = 0; i < 100; ++i) work = work * 31 + 7;
      if (yields && turn % 400 == 399) boost::this_fiber::yield();  // 4,000 reductions of ours
    }
    over = true;
  });
  all.join();
  return percentile(late_ms, 0.99);
}

double boost_resident_bytes(const boost_stacks& stacks, std::size_t count) {
  crew all(stacks);
  all.reserve(count);
  fibers::mutex lock;
  fibers::condition_variable over;
  bool is_over = false;
  std::size_t begun = 0;
  const std::uint64_t before = app::read_usage().resident_bytes;
  for (std::size_t i = 0; i < count; ++i) {
    all.spawn([&] {
      ++begun;
      std::unique_lock held(lock);
      over.wait(held, [&] { return is_over; });
    });
  }
  while (begun != count) boost::this_fiber::yield();
  const std::uint64_t after = app::read_usage().resident_bytes;
  {
    std::lock_guard held(lock);
    is_over = true;
  }
  over.notify_all();
  all.join();
  return static_cast<double>(after - before) / static_cast<double>(count);
}

}  // namespace ramie::peer
