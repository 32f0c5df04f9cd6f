#include "bench_scheduler_loops.hpp"

#include "bench_clock.hpp"
#include "bench_machine.hpp"

#include <ramie/channel.hpp>
#include <ramie/event.hpp>
#include <ramie/mutex.hpp>
#include <ramie/runtime.hpp>

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace ramie::app {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Bytes of [low, high) that are in memory.
std::size_t resident_between(std::uintptr_t low, std::uintptr_t high) {
  constexpr std::size_t page = 4096;
  low &= ~std::uintptr_t{page - 1};
  std::vector<unsigned char> pages((high - low + page - 1) / page);
  if (mincore(reinterpret_cast<void*>(low), high - low, pages.data()) != 0) return 0;
  return page * static_cast<std::size_t>(std::count_if(pages.begin(), pages.end(), [](auto one) { return one & 1; }));
}

}  // namespace

double processor_ms() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto ms = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  };
  return ms(used.ru_utime) + ms(used.ru_stime);
}

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

double channel_ns(std::size_t messages, std::size_t capacity) {
  double elapsed_ns = 0;
  run([&](scope& s) {
    channel<std::size_t> there(capacity), back(capacity);
    s.spawn([&] {
      while (auto got = there.receive()) back.send(*got);
    });
    there.send(0);
    static_cast<void>(back.receive());
    const auto start = clock::now();
    for (std::size_t i = 0; i < messages; i += 2) {
      there.send(i);
      static_cast<void>(back.receive());
    }
    const std::size_t passed = (messages + 1) / 2 * 2;
    elapsed_ns = ns_since(start) / static_cast<double>(passed);
    there.close();
    s.join();
  });
  return elapsed_ns;
}

double fan_in_ns(std::size_t producers, std::size_t messages, std::size_t capacity) {
  double elapsed_ns = 0;
  const std::size_t each = std::max<std::size_t>(messages / producers, 1);
  run([&](scope& s) {
    channel<std::size_t> into(capacity);
    for (std::size_t i = 0; i < producers; ++i) {
      s.spawn([&] {
        for (std::size_t sent = 0; sent < each; ++sent) into.send(sent);
      });
    }
    const auto start = clock::now();
    for (std::size_t left = producers * each; left != 0; --left) static_cast<void>(into.receive());
    elapsed_ns = ns_since(start) / static_cast<double>(producers * each);
    s.join();
  });
  return elapsed_ns;
}

double mutex_ns(std::size_t times, bool shared) {
  double elapsed_ns = 0;
  run([&] {
    mutex one;
    one.lock();
    one.unlock();
    if (shared) {
      std::thread([&] {
        one.lock();
        one.unlock();
      }).join();
    }
    const auto start = clock::now();
    for (std::size_t i = 0; i < times; ++i) {
      one.lock();
      one.unlock();
    }
    elapsed_ns = ns_since(start);
  });
  return elapsed_ns / static_cast<double>(times);
}

namespace {

// `body` runs in two tasks, `times` times altogether, once both have started.
template <class F>
double two_tasks_ns(std::size_t times, F body) {
  clock::time_point start;
  double elapsed_ns = 0;
  std::size_t left = times;
  run([&](scope& s) {
    s.spawn([&] {
      this_task::yield();
      start = clock::now();
      while (left != 0) body(left);
      elapsed_ns = std::max(elapsed_ns, ns_since(start));
    });
    s.spawn([&] {
      this_task::yield();
      while (left != 0) body(left);
    });
  });
  return elapsed_ns / static_cast<double>(times);
}

}  // namespace

double mutex_contended_ns(std::size_t times) {
  mutex one;
  return two_tasks_ns(times, [&](std::size_t& left) {
    one.lock();
    if (left != 0) --left;
    this_task::yield();
    one.unlock();
  });
}

double mutex_handover_ns(std::size_t times) {
  mutex one;
  bool taken = false;
  return two_tasks_ns(times, [&](std::size_t& left) {
    one.lock();
    if (left != 0) --left;
    if (!std::exchange(taken, true)) this_task::yield();  // from here on the other one always waits
    one.unlock();
  });
}

memory_figures measure_memory(std::size_t count) {
  struct stack_ends {
    std::uintptr_t low, high;
  };
  std::vector<stack_ends> stacks(count, stack_ends{1, 1});  // touched before the first figure
  memory_figures figures;
  run([&](scope& s) {
    event over;
    std::size_t begun = 0;
    const std::uint64_t before = read_usage().resident_bytes;
    for (std::size_t i = 0; i < count; ++i) {
      s.spawn([&] {
        const stack_info mine = this_fiber::ref().stack();
        stacks[begun++] = {mine.low, mine.high};
        over.wait();
      });
    }
    while (begun != count) this_task::yield();
    const double held = static_cast<double>(read_usage().resident_bytes - before);
    double in_stacks = 0;
    for (const auto& one : stacks) in_stacks += static_cast<double>(resident_between(one.low, one.high));
    figures.resident_bytes = held / static_cast<double>(count);
    figures.control_bytes = (held - in_stacks) / static_cast<double>(count);
    over.set();
  });
  return figures;
}

}  // namespace ramie::app
