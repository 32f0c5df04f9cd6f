#include "bench.hpp"

#include "command.hpp"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

namespace ramie::app {
namespace {

struct benchmark {
  const char* name;
  const char* about;
  std::uint64_t least, most;  // what --max may be
  bool has_pictures;          // knows --counters, --plot and --peers
  bench_run run;
};
constexpr benchmark benchmarks[] = {
    {"fibers", "Switch, transfer and create fibers, one to a million of them, each guarded", 1, std::uint64_t{1} << 24,
     true, bench_fibers},
    {"guards", "Make stacks in every way that guards them, and in those that do not: what each costs, what a hit does",
     2, std::uint64_t{1} << 20, false, bench_guards},
    {"scheduler", "Tasks on one thread: yield, spawn and join, sleep, and one that never waits", 1,
     std::uint64_t{1} << 24, false, bench_scheduler},
    {"generators", "Pull values out of functions that push them; make a generator, take one, drop it", 2,
     std::uint64_t{1} << 30, false, bench_generators},
    {"io", "Echo servers: what a request costs, on io_uring, on epoll and by hand, and a connection that waits", 1,
     std::uint64_t{1} << 20, false, bench_io},
};

void add_one(CLI::App& bench, const benchmark& which, const std::shared_ptr<bench_options>& options) {
  CLI::App* one = bench.add_subcommand(which.name, which.about);
  one->add_flag("--quick", options->quick, "Fewer runs and sizes: within 20 seconds");
  one->add_flag("--smoke", options->smoke, "One iteration of everything, for tests");
  one->add_flag("--json", options->json, "One JSON object on stdout instead of tables");
  one->add_option("--max", options->largest, fmt::format("Largest number to go to, {} to {}", which.least, which.most))
      ->check(CLI::Range(which.least, which.most));
  if (which.run == bench_scheduler) {
    one->add_option("--case", options->only_case, "Only this case")
        ->check(
            CLI::IsMember({"yield", "spawn_join", "channel", "fan_in", "mutex", "sleepers", "starvation", "memory"}));
  }
  if (which.run == bench_io) {
    one->add_option("--case", options->only_case, "Only this case")
        ->check(CLI::IsMember({"echo", "system_calls", "idle_connection"}));
  }
  if (!which.has_pictures) return;
  one->add_flag("--counters", options->counters, "Cycles, misses and faults beside the times");
  one->add_option("--plot", options->plot_file, "Write a plot to this SVG file");
  one->add_option("--peers", options->peers_file, "Results of peers (JSON) to draw in the plot")
      ->check(CLI::ExistingFile);
}

}  // namespace

action add_bench(CLI::App& root) {
  CLI::App* bench = root.add_subcommand("bench", "Measure on this machine");
  bench->require_subcommand(1);
  auto options = std::make_shared<bench_options>();
  for (const benchmark& which : benchmarks) add_one(*bench, which, options);
  action run_cow = add_bench_cow(*bench);
  return [bench, options, run_cow] {
    if (bench->get_subcommand("cow")->parsed()) return run_cow();
    for (const benchmark& which : benchmarks) {
      if (!bench->get_subcommand(which.name)->parsed()) continue;
      bench_report report;
      const int status = which.run(*options, report);
      if (options->json) print_json(which.name, report);
      return status;
    }
    return 2;
  };
}

}  // namespace ramie::app
