// `ramie bench scheduler`: what tasks cost on one thread. Each case runs in a process of its own.
#include "bench.hpp"
#include "bench_child.hpp"
#include "bench_machine.hpp"
#include "bench_scheduler_loops.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace ramie::app {
namespace {

constexpr const char* library = "ramie";

struct scheduler_plan {
  int runs = 7;
  std::size_t yields = 5'000'000;  // of one sample, all tasks together
  std::uint64_t largest = 1'000'000;
  std::size_t spawns = 300'000;
  std::size_t sleepers = 100'000;
  std::size_t wakers = 10'000;
  std::size_t spin_ms = 1000;
  std::size_t steps = 3'000'000;  // of one sample: messages, locks
  std::size_t parked = 100'000;
};

scheduler_plan plan_scheduler(const bench_options& options) {
  scheduler_plan plan;
  if (options.quick) plan = {3, 1'000'000, 100'000, 50'000, 20'000, 1'000, 300, 500'000, 20'000};
  if (options.smoke) plan = {1, 1, 100, 10, 50, 10, 20, 10, 50};
  if (options.largest != 0) plan.largest = options.largest;
  return plan;
}

template <class Measure>
void sample(child_output& out, const char* name, std::uint64_t n, int runs, Measure measure) {
  std::vector<double> samples;
  samples.reserve(static_cast<std::size_t>(runs));
  for (int run = 0; run < runs; ++run) samples.push_back(measure());
  out.result(summarize(name, library, n, "ns", std::move(samples)));
}

void measure_yields(child_output& out, const scheduler_plan& plan, std::uint64_t n) {
  const auto rounds = std::max<std::size_t>(plan.yields / n, 5);
  sample(out, "yield", n, n >= 100'000 ? std::min(plan.runs, 3) : plan.runs, [&] { return yield_ns(n, rounds); });
}

void measure_naps(child_output& out, const scheduler_plan& plan) {
  std::vector<double> p50, p99, cold, warm;
  for (int run = 0; run < std::min(plan.runs, 3) + 1; ++run) {
    const sleepers_figures seen = measure_sleepers(plan.sleepers, 1);
    (run == 0 ? cold : warm).push_back(seen.processor_ms);
    p50.push_back(seen.lateness_p50_ms);
    p99.push_back(seen.lateness_p99_ms);
  }
  out.result(summarize("sleepers_lateness_p50", library, plan.sleepers, "ms", std::move(p50)));
  out.result(summarize("sleepers_lateness_p99", library, plan.sleepers, "ms", std::move(p99)));
  out.result(summarize("sleepers_processor_cold", library, plan.sleepers, "ms", std::move(cold)));
  out.result(summarize("sleepers_processor", library, plan.sleepers, "ms", std::move(warm)));
}

void measure_starvation(child_output& out, const scheduler_plan& plan) {
  for (const bool reduces : {true, false}) {
    std::vector<double> p99;
    for (int run = 0; run < std::min(plan.runs, 3); ++run) {
      p99.push_back(starvation_p99_ms(plan.wakers, plan.spin_ms, reduces));
    }
    out.result(summarize(reduces ? "starvation_p99" : "starvation_p99_without_reduce", library, plan.wakers, "ms",
                         std::move(p99)));
  }
}

void measure_channels(child_output& out, const scheduler_plan& plan) {
  sample(out, "channel", 1, plan.runs, [&] { return channel_ns(plan.steps, 1); });
  sample(out, "channel_unbuffered", 1, plan.runs, [&] { return channel_ns(plan.steps, 0); });
}

void measure_fan_in(child_output& out, const scheduler_plan& plan) {
  const std::size_t producers = std::min<std::size_t>(plan.parked, 1000);
  sample(out, "fan_in", producers, plan.runs, [&] { return fan_in_ns(producers, plan.steps, 64); });
  sample(out, "fan_in_unbuffered", producers, plan.runs, [&] { return fan_in_ns(producers, plan.steps, 0); });
}

void measure_mutex(child_output& out, const scheduler_plan& plan) {
  sample(out, "mutex", 1, plan.runs, [&] { return mutex_ns(plan.steps, false); });
  sample(out, "mutex_shared", 1, plan.runs, [&] { return mutex_ns(plan.steps, true); });
  sample(out, "mutex_contended", 2, plan.runs, [&] { return mutex_contended_ns(plan.steps); });
  sample(out, "mutex_handover", 2, plan.runs, [&] { return mutex_handover_ns(plan.steps); });
}

void measure_bytes(child_output& out, const scheduler_plan& plan) {
  const memory_figures seen = measure_memory(plan.parked);
  out.result(summarize("memory", library, plan.parked, "bytes_each", {seen.control_bytes}));
  out.result(summarize("memory_resident", library, plan.parked, "bytes_each", {seen.resident_bytes}));
}

void measure_spawns(child_output& out, const scheduler_plan& plan) {
  sample(out, "spawn_join", 1, plan.runs, [&] { return spawn_join_ns(plan.spawns); });
}

void print_table(const bench_report& report) {
  fmt::print("{:<32} {:>10} {:>12} {:>12} {:>12}  unit\n", "case", "n", "median", "min", "max");
  for (const bench_result& row : report.results) {
    fmt::print("{:<32} {:>10} {:>12.2f} {:>12.2f} {:>12.2f}  {}\n", row.name, row.n, row.median, row.min, row.max,
               row.unit);
  }
  for (const std::string& note : report.notes) fmt::print("note: {}\n", note);
}

}  // namespace

int bench_scheduler(const bench_options& options, bench_report& report) {
  const scheduler_plan plan = plan_scheduler(options);
  const std::uint64_t sizes[] = {1, 2, 100, 10'000, 100'000, 1'000'000};
  const std::pair<const char*, void (*)(child_output&, const scheduler_plan&)> cases[] = {
      {"spawn_join", measure_spawns}, {"channel", measure_channels}, {"fan_in", measure_fan_in},
      {"mutex", measure_mutex},       {"sleepers", measure_naps},    {"starvation", measure_starvation},
      {"memory", measure_bytes}};
  const auto is_asked_for = [&](const char* name) { return options.only_case.empty() || options.only_case == name; };
  progress_bar bar(static_cast<int>(std::size(sizes) + std::size(cases)));
  for (const std::uint64_t n : sizes) {
    if (n > plan.largest || !is_asked_for("yield")) continue;
    run_in_child(report, bar, [&](child_output& out) { measure_yields(out, plan, n); });
  }
  for (const auto& one : cases) {
    if (is_asked_for(one.first)) run_in_child(report, bar, [&](child_output& out) { one.second(out, plan); });
  }
  if (!options.json) print_table(report);
  return 0;
}

}  // namespace ramie::app
