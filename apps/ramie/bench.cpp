#include "bench.hpp"

#include "bench_machine.hpp"
#include "command.hpp"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace ramie::app {
namespace {

using nlohmann::ordered_json;

struct benchmark {
  const char* name;
  const char* about;
  std::uint64_t least, most;  // what --max may be
  bench_run run;
};
constexpr benchmark benchmarks[] = {
    {"fibers", "Switch, transfer and create fibers, one to a million of them, each guarded", 1, std::uint64_t{1} << 24,
     bench_fibers},
};

void print_json(const char* name, const bench_report& report) {
  ordered_json out;
  out["bench"] = name;
  out["machine"] = machine_json();
  out["results"] = ordered_json::array();
  for (const bench_result& row : report.results) {
    out["results"].push_back({{"case", row.name},
                              {"library", row.library},
                              {"n", row.n},
                              {"unit", row.unit},
                              {"median", row.median},
                              {"min", row.min},
                              {"max", row.max},
                              {"runs", row.runs}});
  }
  out["notes"] = report.notes;
  fmt::print("{}\n", out.dump(1));
}

void add_one(CLI::App& bench, const benchmark& which, std::shared_ptr<bench_options> options) {
  CLI::App* one = bench.add_subcommand(which.name, which.about);
  one->add_flag("--quick", options->quick, "Fewer runs and sizes: within 20 seconds");
  one->add_flag("--smoke", options->smoke, "One iteration of everything, for tests");
  one->add_flag("--json", options->json, "One JSON object on stdout instead of tables");
  one->add_flag("--counters", options->counters, "Cycles, misses and faults beside the times");
  one->add_option("--plot", options->plot_file, "Write a plot to this SVG file");
  one->add_option("--peers", options->peers_file, "Results of peers (JSON) to draw in the plot")
      ->check(CLI::ExistingFile);
  one->add_option("--max", options->largest, fmt::format("Largest number to go to, {} to {}", which.least, which.most))
      ->check(CLI::Range(which.least, which.most));
}

}  // namespace

double bench_report::median_of(std::string_view name, std::string_view library, std::uint64_t n,
                               std::string_view unit) const {
  for (const bench_result& row : results) {
    if (row.n == n && row.name == name && row.library == library && row.unit == unit) return row.median;
  }
  return -1;
}

bench_result summarize(std::string name, std::string library, std::uint64_t n, std::string unit,
                       std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const std::size_t middle = samples.size() / 2;
  const double median = samples.size() % 2 == 1 ? samples[middle] : (samples[middle - 1] + samples[middle]) / 2;
  return {std::move(name),
          std::move(library),
          n,
          std::move(unit),
          median,
          samples.front(),
          samples.back(),
          static_cast<int>(samples.size())};
}

std::vector<bench_result> read_results(const std::string& file) {
  std::ifstream in(file);
  std::vector<bench_result> results;
  try {
    const auto document = nlohmann::json::parse(in);
    for (const auto& row : document.at("results")) {
      results.push_back({row.at("case"), row.at("library"), row.at("n"), row.at("unit"), row.at("median"),
                         row.at("min"), row.at("max"), row.at("runs")});
    }
  } catch (const nlohmann::json::exception& wrong) {
    throw std::runtime_error(fmt::format("{} is not a file of benchmark results: {}", file, wrong.what()));
  }
  return results;
}

action add_bench(CLI::App& root) {
  CLI::App* bench = root.add_subcommand("bench", "Measure on this machine");
  bench->require_subcommand(1);
  auto options = std::make_shared<bench_options>();
  for (const benchmark& which : benchmarks) add_one(*bench, which, options);
  return [bench, options] {
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
