// Boost.Fiber beside ramie's tasks, alternating in one process: the figures that the ratios of `make bench` come from.
//
//     peer_scheduler [--quick | --smoke] [--case NAME] [LARGEST]
//
// Prints the JSON object of all benchmarks. Boost.Fiber runs in its default configuration ("boost.fiber": 128 KiB
// stacks from malloc, no guard, round robin), in the best one that was found ("boost.fiber-pooled-12k": small stacks
// from a free list, no guard), and where stacks are made inside the measured time with a guard ("boost.fiber-guarded").
// Each job runs in a child of its own.
#include "bench.hpp"
#include "bench_child.hpp"
#include "bench_machine.hpp"
#include "bench_scheduler_loops.hpp"
#include "boost_scheduler_loops.hpp"
#include "duel.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace ramie::peer {
namespace {

using app::bench_report;
using app::child_output;
using app::progress_bar;

struct plan {
  std::uint64_t largest = 1'000'000;
  int runs = 7;
  std::size_t steps = 2'000'000;  // of one sample: yields, messages, locks
  std::size_t spawns = 200'000;
  std::size_t sleepers = 100'000;
  std::size_t wakers = 10'000;
  std::size_t spin_ms = 1000;
  std::size_t parked = 100'000;
  std::string_view only_case;
  [[nodiscard]] int few() const { return std::min(runs, 3); }
};

struct configuration {
  const char* library;
  boost_stacks stacks;
};
constexpr configuration default_stacks = {"boost.fiber", {stack_kind::fixedsize, 0}};
constexpr configuration best_stacks = {"boost.fiber-pooled-12k", {stack_kind::pooled, std::size_t{12} << 10}};
constexpr configuration guarded_stacks = {"boost.fiber-guarded", {stack_kind::protected_, 0}};

template <class Ours, class Theirs>
void compare(child_output& out, const char* name, const configuration& peer, std::uint64_t n, int runs, Ours ours,
             Theirs theirs, const char* unit = "ns") {
  duel both;
  for (int run = 0; run < runs; ++run) {
    out.progress(static_cast<double>(run) / runs, fmt::format("{} {}: {}", name, n, peer.library));
    const double mine = ours();
    both.add(mine, theirs());
  }
  both.report(out, name, peer.library, n, unit);
}

void yield_job(child_output& out, const plan& of, const configuration& peer, std::uint64_t n) {
  const auto rounds = std::max<std::size_t>(of.steps / n, n > 1 ? 5 : 1);
  compare(
      out, "yield", peer, n, n >= 100'000 ? of.few() : of.runs, [&] { return app::yield_ns(n, rounds); },
      [&] { return boost_yield_ns(peer.stacks, n, rounds); });
}

void spawn_job(child_output& out, const plan& of, const configuration& peer) {
  const std::size_t times = peer.stacks.kind == stack_kind::protected_ ? of.spawns / 10 + 1 : of.spawns;
  compare(
      out, "spawn_join", peer, 1, of.runs, [&] { return app::spawn_join_ns(of.spawns); },
      [&] { return boost_spawn_join_ns(peer.stacks, times); });
}

void channel_job(child_output& out, const plan& of, const configuration& peer) {
  for (const bool buffered : {true, false}) {
    compare(
        out, buffered ? "channel" : "channel_unbuffered", peer, 1, of.runs,
        [&] { return app::channel_ns(of.steps, buffered ? 1 : 0); },
        [&] { return boost_channel_ns(peer.stacks, of.steps, buffered); });
  }
}

void fan_in_job(child_output& out, const plan& of, const configuration& peer) {
  const std::size_t producers = std::min<std::size_t>(of.parked, 1000);
  compare(
      out, "fan_in", peer, producers, of.runs, [&] { return app::fan_in_ns(producers, of.steps, 64); },
      [&] { return boost_fan_in_ns(peer.stacks, producers, of.steps, 64); });
  compare(
      out, "fan_in_unbuffered", peer, producers, of.runs, [&] { return app::fan_in_ns(producers, of.steps, 0); },
      [&] { return boost_fan_in_ns(peer.stacks, producers, of.steps, 0); });
}

void mutex_job(child_output& out, const plan& of, const configuration& peer) {
  for (const bool shared : {false, true}) {
    compare(
        out, shared ? "mutex_shared" : "mutex", peer, 1, of.runs, [&] { return app::mutex_ns(of.steps, shared); },
        [&] { return boost_mutex_ns(peer.stacks, of.steps); });
  }
  compare(
      out, "mutex_contended", peer, 2, of.runs, [&] { return app::mutex_contended_ns(of.steps); },
      [&] { return boost_mutex_contended_ns(peer.stacks, of.steps); });
}

// The first pair warms both up.
void sleepers_job(child_output& out, const plan& of, const configuration& peer) {
  duel p50, p99, processor;
  for (int run = 0; run <= of.few(); ++run) {
    out.progress(static_cast<double>(run) / (of.few() + 1), fmt::format("sleepers: {}", peer.library));
    const app::sleepers_figures mine = app::measure_sleepers(of.sleepers, 1);
    const boost_sleepers theirs = boost_measure_sleepers(peer.stacks, of.sleepers, 1);
    if (run == 0) continue;
    p50.add(mine.lateness_p50_ms, theirs.lateness_p50_ms);
    p99.add(mine.lateness_p99_ms, theirs.lateness_p99_ms);
    processor.add(mine.processor_ms, theirs.processor_ms);
  }
  p50.report(out, "sleepers_lateness_p50", peer.library, of.sleepers, "ms");
  p99.report(out, "sleepers_lateness_p99", peer.library, of.sleepers, "ms");
  processor.report(out, "sleepers_processor", peer.library, of.sleepers, "ms");
}

void starvation_job(child_output& out, const plan& of, const configuration& peer) {
  for (const bool lets_run : {true, false}) {
    compare(
        out, lets_run ? "starvation_p99" : "starvation_p99_without_reduce", peer, of.wakers, of.few(),
        [&] { return app::starvation_p99_ms(of.wakers, of.spin_ms, lets_run); },
        [&] { return boost_starvation_p99_ms(peer.stacks, of.wakers, of.spin_ms, lets_run); }, "ms");
  }
}

// Each in a process that has made no fiber before: one sample.
void run_memory_jobs(bench_report& report, progress_bar& bar, const plan& of) {
  const std::uint64_t n = of.parked;
  app::run_in_child(report, bar, [&](child_output& out) {
    out.result(app::summarize("memory_resident", "ramie", n, "bytes_each", {app::measure_memory(n).resident_bytes}));
  });
  for (const configuration& peer : {default_stacks, best_stacks}) {
    app::run_in_child(report, bar, [&](child_output& out) {
      out.result(
          app::summarize("memory_resident", peer.library, n, "bytes_each", {boost_resident_bytes(peer.stacks, n)}));
    });
  }
}

void run_jobs(bench_report& report, const plan& of) {
  using job = void (*)(child_output&, const plan&, const configuration&);
  struct work {
    const char* name;
    job run;
    bool makes_stacks;
  };
  const work works[] = {{"spawn_join", spawn_job, true},   {"channel", channel_job, false},
                        {"fan_in", fan_in_job, false},     {"mutex", mutex_job, false},
                        {"sleepers", sleepers_job, false}, {"starvation", starvation_job, false}};
  const std::uint64_t yields[] = {2, 100, 10'000, 100'000, 1'000'000};
  const auto is_asked_for = [&](std::string_view name) { return of.only_case.empty() || of.only_case == name; };
  progress_bar bar(16);
  for (const std::uint64_t n : yields) {
    if (!is_asked_for("yield") || n > of.largest) continue;
    for (const configuration& peer : {default_stacks, best_stacks}) {
      app::run_in_child(report, bar, [&](child_output& out) { yield_job(out, of, peer, n); });
    }
  }
  for (const work& one : works) {
    if (!is_asked_for(one.name)) continue;
    for (const configuration& peer : {default_stacks, best_stacks, guarded_stacks}) {
      if (!one.makes_stacks && peer.stacks.kind == stack_kind::protected_) continue;
      app::run_in_child(report, bar, [&](child_output& out) { one.run(out, of, peer); });
    }
  }
  if (is_asked_for("memory")) run_memory_jobs(report, bar, of);
  report.notes.push_back(
      fmt::format("Boost.Fiber {}; unguarded unless the name says guarded, and without reductions: "
                  "in starvation_p99 it yields by hand",
                  boost_version()));
}

int usage() {
  fmt::print(stderr,
             "usage: peer_scheduler [--quick | --smoke] [--case yield|spawn_join|channel|fan_in|mutex|sleepers|"
             "starvation|memory] [LARGEST, 1 to 16777216]\n");
  return 2;
}

bool is_case(std::string_view name) {
  constexpr std::string_view names[] = {"yield", "spawn_join", "channel",    "fan_in",
                                        "mutex", "sleepers",   "starvation", "memory"};
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

int main_of_peer(int count, char** arguments) {
  plan of;
  std::uint64_t asked = 0;
  std::string_view only_case;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--quick") {
      of = {100'000, 3, 500'000, 50'000, 20'000, 1'000, 300, 20'000, {}};
    } else if (argument == "--smoke") {
      of = {100, 1, 2, 2, 20, 10, 20, 50, {}};
    } else if (argument == "--case" && i + 1 < count && is_case(arguments[i + 1])) {
      only_case = arguments[++i];
    } else {
      const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), asked);
      if (error != std::errc{} || end != argument.data() + argument.size() || asked == 0 || asked > 1U << 24) {
        return usage();
      }
    }
  }
  of.only_case = only_case;
  if (asked != 0) of.largest = asked;
  bench_report report;
  constexpr std::uint64_t bytes_for_both = 2 * 8500;
  const std::uint64_t fits = app::read_machine().available_bytes / 10 * 9 / bytes_for_both;
  if (fits < of.largest) {
    report.notes.push_back(fmt::format("memory for {} tasks of each kind is free, so the largest size is below", fits));
    of.largest = fits;
  }
  run_jobs(report, of);
  app::print_json("scheduler", report);
  return 0;
}

}  // namespace
}  // namespace ramie::peer

int main(int count, char** arguments) { return ramie::peer::main_of_peer(count, arguments); }
