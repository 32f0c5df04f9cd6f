// `ramie bench fibers`: the plan and its order. Each step runs in a process of its own.
#include "bench_fibers.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

namespace ramie::app {
namespace {

using clock = std::chrono::steady_clock;
constexpr std::uint64_t million = 1000000;

struct step {
  bool wanted;
  std::function<void(child_output&)> job;
};

std::vector<step> steps_of(const fibers_plan& plan) {
  const auto population = [&plan](suspend_place place, std::size_t stack_bytes, const char* library,
                                  std::uint64_t most) {
    return step{most > 0,
                [=, &plan](child_output& out) { measure_population(out, plan, place, stack_bytes, library, most); }};
  };
  const auto transfers = [&plan](std::size_t stack_bytes, const char* library, std::uint64_t most) {
    return step{most > 1, [=, &plan](child_output& out) { measure_transfers(out, plan, stack_bytes, library, most); }};
  };
  const auto creation = [&plan](std::size_t stack_bytes, const char* library) {
    return step{true, [=, &plan](child_output& out) { measure_creation(out, plan, stack_bytes, library); }};
  };
  const std::uint64_t dense_nested = std::min(plan.dense_largest, plan.nested_largest);
  return {population(suspend_place::inlined, 0, default_library, plan.largest),
          population(suspend_place::nested, 0, default_library, plan.nested_largest),
          creation(0, default_library),
          creation(dense_stack_bytes, dense_library),
          transfers(0, default_library, plan.ring_largest),
          population(suspend_place::inlined, dense_stack_bytes, dense_library, plan.dense_largest),
          population(suspend_place::nested, dense_stack_bytes, dense_library, dense_nested),
          transfers(dense_stack_bytes, dense_library, plan.dense_ring_largest)};
}

// Alternating, after one round that nobody counts: the host of a virtual machine gives memory it has not given before
// at a price that is neither ours nor the kernel's.
void run_cold(bench_report& report, progress_bar& bar, const fibers_plan& plan) {
  bench_report samples;
  for (int run = -1; run < plan.cold_runs; ++run) {
    bench_report one;
    const std::uint64_t count = plan.cold_count;
    run_in_child(one, bar, [=](child_output& out) { measure_cold_create(out, count, 0, default_library); });
    run_in_child(one, bar, [=](child_output& out) { measure_guard_and_touch(out, count, default_slot_bytes, "raw"); });
    run_in_child(one, bar,
                 [=](child_output& out) { measure_cold_create(out, count, dense_stack_bytes, dense_library); });
    run_in_child(one, bar,
                 [=](child_output& out) { measure_guard_and_touch(out, count, dense_slot_bytes, "raw-16k"); });
    if (run >= 0 || plan.cold_runs == 0) {
      samples.results.insert(samples.results.end(), one.results.begin(), one.results.end());
    }
    for (const std::string& note : one.notes) {
      if (std::find(report.notes.begin(), report.notes.end(), note) == report.notes.end()) report.notes.push_back(note);
    }
  }
  merge_samples(report, samples.results);
}

void check_writable(const std::string& file) {
  if (file.empty()) return;
  std::ofstream out(file, std::ios::app);
  if (!out) throw std::system_error(errno, std::generic_category(), fmt::format("cannot write the plot to {}", file));
}

}  // namespace

fibers_plan plan_fibers(const bench_options& options, std::uint64_t available_bytes, std::vector<std::string>& notes) {
  fibers_plan plan;
  plan.counters = options.counters;
  plan.largest = options.largest != 0 ? options.largest : std::uint64_t{1} << 20;
  if (options.smoke) {
    plan.largest = std::min<std::uint64_t>(plan.largest, 64);
    plan.cold_count = 64;
    plan.runs = 1;
    plan.cold_runs = 0;
    plan.pairs = 1;
    plan.growth_limit_s = plan.start_limit_s = 60;
  } else if (options.quick) {
    plan.runs = 5;
    plan.cold_count = 20000;
    plan.cold_runs = 3;
    plan.pairs = 400000;
    plan.growth_limit_s = 11;
    plan.start_limit_s = 15;
  } else {
    plan.runs = 11;
    plan.cold_count = 100000;
    plan.cold_runs = 5;
    plan.pairs = 2 * million;
    plan.growth_limit_s = 120;
    plan.start_limit_s = 900;
  }
  // One population at a time is alive; a tenth is left to others.
  const std::uint64_t fits = std::max<std::uint64_t>(available_bytes / 10 * 9 / bytes_for_each, 1);
  if (available_bytes != 0 && fits < plan.largest) {
    const std::uint64_t less = std::bit_floor(fits);
    notes.push_back(
        fmt::format("{} MiB of memory are free: room for {} fibers of {} bytes, so the largest size is {} "
                    "instead of {}",
                    available_bytes >> 20, fits, bytes_for_each, less, plan.largest));
    plan.largest = less;
  }
  plan.nested_largest = plan.dense_largest = plan.largest;
  plan.ring_largest = plan.dense_ring_largest = std::min(plan.largest, million);
  plan.cold_count = std::min(plan.cold_count, plan.largest);
  if (options.quick) {
    plan.nested_largest = std::min<std::uint64_t>(plan.nested_largest, 16384);
    plan.dense_largest = std::min<std::uint64_t>(plan.dense_largest, 131072);
    plan.ring_largest = std::min<std::uint64_t>(plan.ring_largest, 100000);
    plan.dense_ring_largest = 0;
  }
  return plan;
}

int bench_fibers(const bench_options& options, bench_report& report) {
  check_writable(options.plot_file);
  const std::vector<bench_result> peers =
      options.peers_file.empty() ? std::vector<bench_result>{} : read_results(options.peers_file);
  const machine_facts facts = read_machine();
  const fibers_plan plan = plan_fibers(options, facts.available_bytes, report.notes);
  {
    const std::vector<step> steps = steps_of(plan);
    progress_bar bar(1 + static_cast<int>(steps.size()) + 4 * (plan.cold_runs + 1));
    // In a child too: what probing opens is not for the others to inherit.
    run_in_child(report, bar, [&](child_output&) {
      if (!options.json) print_conditions(facts);
      std::fflush(stdout);
    });
    const clock::time_point start = clock::now();
    bool late = false;
    for (const step& one : steps) {
      late = late || std::chrono::duration<double>(clock::now() - start).count() > plan.start_limit_s;
      if (one.wanted && !late) run_in_child(report, bar, one.job);
    }
    if (late) {
      report.notes.push_back(
          fmt::format("this machine is slow or busy now: what had not begun after {:.0f} s was left "
                      "out",
                      plan.start_limit_s));
    } else {
      run_cold(report, bar, plan);
    }
  }
  if (!options.json) print_fibers_tables(report);
  if (!options.plot_file.empty()) {
    write_fibers_plot(options.plot_file, report, peers);
    if (!options.json) fmt::print("\nplot: {}\n", options.plot_file);
  }
  return has_our_results(report) ? 0 : 1;
}

}  // namespace ramie::app
