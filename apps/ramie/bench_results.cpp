// Results: summarised, looked up, written and read as the one JSON object of all benchmarks and peers.
#include "bench.hpp"
#include "bench_machine.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace ramie::app {

using nlohmann::ordered_json;

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

void merge_samples(bench_report& report, const std::vector<bench_result>& samples) {
  std::vector<bench_result> kinds;
  for (const bench_result& sample : samples) {
    const auto same = [&sample](const bench_result& other) {
      return other.name == sample.name && other.library == sample.library && other.n == sample.n &&
             other.unit == sample.unit;
    };
    if (std::any_of(kinds.begin(), kinds.end(), same)) continue;
    kinds.push_back(sample);
    std::vector<double> values;
    for (const bench_result& other : samples) {
      if (same(other)) values.push_back(other.median);
    }
    report.results.push_back(summarize(sample.name, sample.library, sample.n, sample.unit, std::move(values)));
  }
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

}  // namespace ramie::app
