// `ramie bench generators`: what an item, a node, a first value and a dropped generator cost.
#include "bench.hpp"
#include "bench_child.hpp"
#include "bench_generators_loops.hpp"
#include "bench_machine.hpp"

#include <ramie/stack.hpp>

#include <fmt/core.h>

#include <functional>
#include <string>
#include <vector>

namespace ramie::app {
namespace {

struct generators_plan {
  int runs = 9;
  std::size_t items = 10000000, nodes = 1000000, firsts = 10000000, made = 10000000;
  std::size_t costly = 200000;  // of what takes a microsecond each
};

generators_plan plan_generators(const bench_options& options) {
  generators_plan plan;
  if (options.smoke) {
    plan = {1, 1000, 1000, 1000, 1000, 100};
  } else if (options.quick) {
    plan = {5, 10000000, 1000000, 3000000, 3000000, 50000};
  }
  if (options.largest != 0) plan.items = plan.made = options.largest;
  return plan;
}

void measure(child_output& out, const char* name, const char* library, std::size_t n, int runs,
             const std::function<double()>& one) {
  out.progress(0, fmt::format("{} {}", name, library));
  std::vector<double> samples;
  samples.reserve(static_cast<std::size_t>(runs));
  static_cast<void>(one());
  for (int run = 0; run < runs; ++run) samples.push_back(one());
  out.result(summarize(name, library, n, "ns", std::move(samples)));
}

void measure_items(child_output& out, const generators_plan& plan) {
  measure(out, "sum", "ramie", plan.items, plan.runs, [&] { return sum_ns(plan.items); });
  measure(out, "sum_next", "ramie", plan.items, plan.runs, [&] { return sum_next_ns(plan.items); });
  const balanced_tree tree(plan.nodes);
  measure(out, "tree", "ramie", plan.nodes, plan.runs, [&] { return tree_ns(tree); });
}

void measure_first(child_output& out, const generators_plan& plan) {
  const auto row = [&](const char* library, first_of kind, std::size_t times) {
    measure(out, "first", library, times, plan.runs, [=] { return first_ns(kind, times); });
  };
  row("ramie", first_of::range, plan.firsts);
  row("plain-loop", first_of::plain_loop, plan.firsts);
  row("ramie-each-answering", first_of::answering_each, plan.firsts);
  row("ramie-each-deaf", first_of::deaf_each, plan.costly);
}

// What is left behind: the least and the most that any run added.
void measure_making(child_output& out, const generators_plan& plan) {
  static_cast<void>(make_one_ns(one_of::loop, 100));
  const process_usage usage = read_usage();
  const stack_counts stacks = count_stacks();
  const auto row = [&](const char* name, one_of kind, std::size_t times) {
    measure(out, name, "ramie", times, plan.runs, [=] { return make_one_ns(kind, times); });
  };
  row("make_one", one_of::loop, plan.made);
  const auto growth = [&](const char* unit, std::uint64_t before, std::uint64_t after) {
    const double grown = static_cast<double>(after) - static_cast<double>(before);
    out.result(summarize("make_one", "ramie", plan.made, unit, {grown}));
  };
  const process_usage after = read_usage();
  growth("mappings_more", usage.mappings, after.mappings);
  growth("rss_bytes_more", usage.resident_bytes, after.resident_bytes);
  growth("stacks_more", stacks.opened, count_stacks().opened);
  growth("stacks_in_use", 0, count_stacks().in_use);
  row("make_one_range", one_of::range, plan.made);
  row("make_one_destructor", one_of::destructor, plan.costly);
}

void print_generators_table(const bench_report& report) {
  fmt::print("\n{:<22} {:<22} {:>12} {:>10} {:>10} {:>10}\n", "case", "library", "n", "median ns", "min", "max");
  for (const bench_result& row : report.results) {
    if (row.unit != "ns") continue;
    fmt::print("{:<22} {:<22} {:>12} {:>10.2f} {:>10.2f} {:>10.2f}\n", row.name, row.library, row.n, row.median,
               row.min, row.max);
  }
  fmt::print("\nafter all the generators of make_one, more than before:");
  for (const bench_result& row : report.results) {
    if (row.unit != "ns") fmt::print(" {} {:.0f}", row.unit, row.median);
  }
  fmt::print(
      "\n\nsum, sum_next: an item by range-for and by next(); tree: a node of a recursive walk, one fiber in all\n"
      "first: ramie::first on a vector, beside the loop by hand; on an each() whose callback is answered; on one that\n"
      "       has to be stopped by an exception. No fiber in any of them\n"
      "make_one: a generator made, asked once, dropped. Nothing is due in its frames, so they are let go of;\n"
      "make_one_destructor: a destructor is due, so the frames are unwound as an exception would\n");
  for (const std::string& note : report.notes) fmt::print("\nnote: {}\n", note);
}

}  // namespace

int bench_generators(const bench_options& options, bench_report& report) {
  const generators_plan plan = plan_generators(options);
  progress_bar bar(3);
  bool all = true;
  for (const auto& part : {&measure_items, &measure_first, &measure_making}) {
    all = run_in_child(report, bar, [&](child_output& out) { part(out, plan); }) && all;
  }
  for (const bench_result& row : report.results) {
    if (row.unit == "ns" && row.min < 0) {
      report.notes.push_back(fmt::format("{} of {} gave the wrong values", row.name, row.library));
      all = false;
    }
  }
  if (!options.json) print_generators_table(report);
  return all ? 0 : 1;
}

}  // namespace ramie::app
