// `ramie bench io`: what a request costs an echo server, and what a connection costs that waits.
#include "bench.hpp"
#include "bench_child.hpp"
#include "bench_io_rounds.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>

namespace ramie::app {
namespace {

void print_table(const bench_report& report) {
  fmt::print("{:<16} {:<14} {:>7} {:>12} {:>12} {:>12}  unit\n", "case", "library", "n", "median", "min", "max");
  for (const bench_result& row : report.results) {
    fmt::print("{:<16} {:<14} {:>7} {:>12.2f} {:>12.2f} {:>12.2f}  {}\n", row.name, row.library, row.n, row.median,
               row.min, row.max, row.unit);
  }
  for (const std::string& note : report.notes) fmt::print("note: {}\n", note);
}

}  // namespace

int bench_io(const bench_options& options, bench_report& report) {
  io_plan plan = plan_io(options.quick, options.smoke);
  plan.only_case = options.only_case;
  if (options.largest != 0) {
    for (std::size_t& n : plan.connections) n = std::min<std::size_t>(n, options.largest);
    const auto last = std::unique(plan.connections.begin(), plan.connections.end());
    plan.connections.erase(last, plan.connections.end());
    plan.idle = std::min<std::size_t>(plan.idle, options.largest);
  }
  progress_bar bar(4);
  run_io_rounds(report, bar, plan, own_contenders(report));
  if (!options.json) print_table(report);
  return 0;
}

}  // namespace ramie::app
