#include "bench_scheduler_loops.hpp"

#include <ramie/runtime.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <vector>

namespace ramie::app {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

double ns_since(clock::time_point start) {
  return std::chrono::duration<double, std::nano>(clock::now() - start).count();
}

double processor_ms() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto ms = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  };
  return ms(used.ru_utime) + ms(used.ru_stime);
}

double percentile(std::vector<double>& samples, double share) {
  const auto place = static_cast<std::ptrdiff_t>(static_cast<double>(samples.size() - 1) * share);
  std::nth_element(samples.begin(), samples.begin() + place, samples.end());
  return samples[static_cast<std::size_t>(place)];
}

}  // namespace

double yield_ns(std::size_t count, std::size_t rounds) {
  double elapsed_ns = 0;
  clock::time_point start;
  std::size_t started = 0, ended = 0;
  run([&](scope& s) {
    for (std::size_t i = 0; i < count; ++i) {
      s.spawn([&] {
        if (++started == count) start = clock::now();
        this_task::yield();
        for (std::size_t round = 0; round < rounds; ++round) this_task::yield();
        if (++ended == 1) elapsed_ns = ns_since(start);
      });
    }
  });
  return elapsed_ns / static_cast<double>(count) / static_cast<double>(rounds + 1);
}

double spawn_join_ns(std::size_t times) {
  double elapsed_ns = 0;
  run([&](scope& s) {
    s.spawn([] {}).join();
    const auto start = clock::now();
    for (std::size_t i = 0; i < times; ++i) s.spawn([] {}).join();
    elapsed_ns = ns_since(start);
  });
  return elapsed_ns / static_cast<double>(times);
}

sleepers_figures measure_sleepers(std::size_t count, std::uint32_t seed) {
  std::vector<double> late_ms;
  late_ms.reserve(count);
  std::mt19937 random(seed);
  set_stack_trim({.policy = trim::keep});  // the pool stays warm from run to run
  const double before = processor_ms();
  run([&](scope& s) {
    for (std::size_t i = 0; i < count; ++i) {
      const milliseconds nap(1 + random() % 1000);
      s.spawn([&, nap] {
        const auto due = clock::now() + nap;
        this_task::sleep_until(due);
        late_ms.push_back(ns_since(due) / 1e6);
      });
    }
  });
  sleepers_figures figures;
  figures.processor_ms = processor_ms() - before;
  figures.lateness_p50_ms = percentile(late_ms, 0.5);
  figures.lateness_p99_ms = percentile(late_ms, 0.99);
  return figures;
}

double starvation_p99_ms(std::size_t count, std::size_t duration_ms, bool reduces) {
  std::vector<double> late_ms;
  bool over = false;
  run([&](scope& s) {
    for (std::size_t i = 0; i < count; ++i) {
      s.spawn([&, i] {
        auto due = clock::now() + std::chrono::microseconds(10'000 * i / count);
        while (!over) {
          due += milliseconds(10);
          this_task::sleep_until(due);
          late_ms.push_back(ns_since(due) / 1e6);
          due = std::max(due, clock::now() - milliseconds(10));
        }
      });
    }
    s.spawn([&] {
      this_task::sleep_for(milliseconds(50));
      late_ms.clear();
      const auto end = clock::now() + milliseconds(duration_ms);
      volatile std::uint64_t work = 0;
      while (clock::now() < end) {
        for (int i = 0; i < 100; ++i) work = work * 31 + 7;
        if (reduces) this_task::reduce(10);
      }
      over = true;
    });
  });
  return percentile(late_ms, 0.99);
}

}  // namespace ramie::app
