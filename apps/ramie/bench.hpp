// What every `ramie bench NAME` shares: its options, its results, how they are printed.
//
// A benchmark is one row of the table in bench.cpp. It fills a bench_report and prints its tables for people unless
// `json` is set; bench.cpp then prints the report as the one JSON object that all benchmarks and all peers print.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace ramie::app {

struct bench_options {
  std::uint64_t largest = 0;  // fibers, or whatever the benchmark counts; 0: its default
  bool quick = false;         // fewer runs and sizes: within 20 seconds
  bool smoke = false;         // one iteration of everything, for the tests; figures mean nothing
  bool json = false;          // one object on stdout and nothing else there
  bool counters = false;      // processor counters beside the times, where the kernel has them
  std::string plot_file;      // SVG to write; "" for none
  std::string only_case;      // "scheduler" and "io": one case; "" for all
  std::string peers_file;     // results of peers to draw beside ours; "" for none
};

// One figure: the median, least and greatest of `runs` measurements.
struct bench_result {
  std::string name;     // printed as "case"
  std::string library;  // "ramie", "ramie-16k" (the dense class), a peer's name
  std::uint64_t n = 0;
  std::string unit;
  double median = 0, min = 0, max = 0;
  int runs = 0;
};

struct bench_report {
  std::vector<bench_result> results;
  std::vector<std::string> notes;  // what was left out, cut short or refused, and why; a sentence each

  // The median of that row, or a negative number when it was not measured.
  [[nodiscard]] double median_of(std::string_view name, std::string_view library, std::uint64_t n,
                                 std::string_view unit) const;
};

// Summarises samples of one measurement; needs at least one.
[[nodiscard]] bench_result summarize(std::string name, std::string library, std::uint64_t n, std::string unit,
                                     std::vector<double> samples);

// Children that each brought one sample of the same rows: one row with all samples, in the order of first appearance.
void merge_samples(bench_report& report, const std::vector<bench_result>& samples);

// One object on stdout.
void print_json(const char* name, const bench_report& report);
// A peer's file, or one of ours (`--json`): its results. Throws std::runtime_error that names the file.
[[nodiscard]] std::vector<bench_result> read_results(const std::string& file);

// Fills the report; returns the exit status.
using bench_run = int (*)(const bench_options& options, bench_report& report);
int bench_fibers(const bench_options& options, bench_report& report);
int bench_scheduler(const bench_options& options, bench_report& report);
int bench_guards(const bench_options& options, bench_report& report);
int bench_generators(const bench_options& options, bench_report& report);
int bench_io(const bench_options& options, bench_report& report);

}  // namespace ramie::app
