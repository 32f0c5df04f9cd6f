// How `ramie bench fibers` is told to people: the conditions first, then tables with the thread's rows beside ours,
// then what it means and what to try next.
#include "bench_fibers.hpp"
#include "bench_plot.hpp"
#include "bench_seed.hpp"
#include "demo.hpp"

#include <ramie/stack.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <set>
#include <string>
#include <utility>

namespace ramie::app {
namespace {

// A figure, or a dash where none was measured.
std::string figure(double value, int digits) { return value < 0 ? "-" : fmt::format("{:.{}f}", value, digits); }
std::string ns_figure(double value) { return figure(value, value < 100 ? 1 : 0); }
std::string millions(double per_second) {
  if (per_second < 0) return "-";
  return fmt::format("{:.{}f} M", per_second / 1e6, per_second < 1e8 ? 2 : 0);
}
double rate_of(double ns) { return ns > 0 ? 1e9 / ns : -1; }

std::set<std::uint64_t> sizes_of(const bench_report& report, std::initializer_list<const char*> names) {
  std::set<std::uint64_t> sizes;
  for (const bench_result& row : report.results) {
    for (const char* name : names) {
      if (row.name == name) sizes.insert(row.n);
    }
  }
  return sizes;
}

void print_switches(const bench_report& report) {
  fmt::print("\nresume + suspend, round robin: ns for the two switches (medians)\n");
  fmt::print("{:>10} | {:^26} | {:^26} | {:>12} {:>12}\n", "", "68 KiB slots (default)", "16 KiB slots", "per second",
             "the thread's");
  fmt::print("{:>10} | {:>8} {:>8} {:>8} | {:>8} {:>8} {:>8} | {:>12} {:>12}\n", "fibers", "inlined", "nested", "batch",
             "inlined", "nested", "batch", "here", "Ruby 3.2");
  for (const std::uint64_t n : sizes_of(report, {"resume_yield", "resume_yield_nested"})) {
    const auto ns = [&](const char* name, const char* library) { return report.median_of(name, library, n, "ns"); };
    const auto text = [&](const char* name, const char* library) { return ns_figure(ns(name, library)); };
    fmt::print("{:>10} | {:>8} {:>8} {:>8} | {:>8} {:>8} {:>8} | {:>12} {:>12}\n", grouped(n),
               text("resume_yield", default_library), text("resume_yield_nested", default_library),
               text("resume_batch", default_library), text("resume_yield", dense_library),
               text("resume_yield_nested", dense_library), text("resume_batch", dense_library),
               millions(rate_of(ns("resume_yield", default_library))), millions(seed_rate(seed_resume_rows(), n)));
  }
  fmt::print(
      "inlined: suspend() stands in the fiber's own function; nested: one compiled call deeper; batch: the caller\n"
      "hands over all of them (ramie::resume_each).\n");
}

void print_transfers(const bench_report& report) {
  const std::set<std::uint64_t> sizes = sizes_of(report, {"transfer"});
  if (sizes.empty()) return;
  fmt::print("\ntransfer around a ring: ns for one switch\n{:>10} {:>10} {:>10} {:>12} {:>16} {:>16}\n", "fibers",
             "68 KiB", "16 KiB", "per second", "Ruby 2.6.5", "Ruby 2.7.1");
  for (const std::uint64_t n : sizes) {
    const double ns = report.median_of("transfer", default_library, n, "ns");
    const auto theirs = [n](std::span<const seed_row> rows, std::uint64_t stopped_at) {
      return n > stopped_at ? fmt::format("died at {}", grouped(stopped_at)) : millions(seed_rate(rows, n));
    };
    fmt::print("{:>10} {:>10} {:>10} {:>12} {:>16} {:>16}\n", grouped(n), ns_figure(ns),
               ns_figure(report.median_of("transfer", dense_library, n, "ns")), millions(rate_of(ns)),
               theirs(seed_transfer_rows_265(), seed_stopped_at_265),
               theirs(seed_transfer_rows_271(), seed_stopped_at));
  }
}

void print_creation(const bench_report& report) {
  fmt::print("\ncreation: ns for each fiber\n{:>44} {:>10} {:>10}\n", "", "68 KiB", "16 KiB");
  const auto row = [&](const char* what, std::uint64_t n, const char* name, const char* unit, const char* library,
                       const char* dense, int digits) {
    fmt::print("{:<44} {:>10} {:>10}\n", what, figure(report.median_of(name, library, n, unit), digits),
               figure(report.median_of(name, dense, n, unit), digits));
  };
  row("make, run, drop: a stack used before", 1, "create", "ns", default_library, dense_library, 1);
  for (const std::uint64_t n : sizes_of(report, {"cold_create"})) {
    const std::string cold = fmt::format("make, start: a fresh stack ({} of them)", grouped(n));
    row(cold.c_str(), n, "cold_create", "ns", default_library, dense_library, 0);
    row("  a guard and a touched page, raw memory", n, "guard_and_touch", "ns", "raw", "raw-16k", 0);
    row("  page faults (the thread's: 3.2)", n, "cold_create", "faults_each", default_library, dense_library, 3);
  }
}

void print_live(const bench_report& report) {
  fmt::print("\nalive at once, every one guarded\n{:>10} {:>6} {:>9} {:>10} {:>12} {:>12} {:>8} {:>11}\n", "fibers",
             "slot", "mappings", "resident", "page tables", "address", "faults", "kernel");
  fmt::print("{:>10} {:>6} {:>9} {:>10} {:>12} {:>12} {:>8} {:>11}\n", "", "", "in all", "bytes each", "bytes each",
             "KiB each", "each", "ns each");
  for (const char* library : {default_library, dense_library}) {
    for (const std::uint64_t n : sizes_of(report, {"live_guarded"})) {
      const auto value = [&](const char* unit) { return report.median_of("live_guarded", library, n, unit); };
      if (value("mappings") < 0) continue;
      fmt::print("{:>10} {:>6} {:>9} {:>10} {:>12} {:>12} {:>8} {:>11}\n", grouped(n),
                 library == default_library ? "68K" : "16K", figure(value("mappings"), 0),
                 figure(value("rss_bytes_each"), 0), figure(value("page_table_bytes_each"), 0),
                 figure(value("virtual_bytes_each") / 1024, 1), figure(value("faults_each"), 2),
                 figure(value("kernel_ns_each"), 0));
    }
  }
}

void print_ending(const bench_report& report) {
  for (const std::string& note : report.notes) fmt::print("\nnote: {}\n", note);
  if (!has_our_results(report)) {
    fmt::print("\nNothing could be measured.\n");
    return;
  }
  std::uint64_t most = 0;
  for (const std::uint64_t n : sizes_of(report, {"live_guarded"})) most = std::max(most, n);
  fmt::print(
      "\nThe thread's program stopped at {} fibers: \"can't set a guard page: Cannot allocate memory\".\n"
      "Here: {} fibers alive at once, each with a guard ({}), in {:.0f} mappings of the {} allowed.\n",
      grouped(seed_stopped_at), grouped(most), name_of(count_stacks().guard),
      std::max(report.median_of("live_guarded", default_library, most, "mappings"),
               report.median_of("live_guarded", dense_library, most, "mappings")),
      grouped(read_machine().max_map_count));
  fmt::print(
      "The thread's figures are from its participants' machines: compare the shapes, not the ratios. For ratios on\n"
      "one machine: make bench. Memory that a virtual machine's host has not given before costs several times\n"
      "the usual price; a second run shows the difference.\n");
  fmt::print(
      "\nTry next:\n"
      "  ramie demo limit        how the thread's program dies, and what becomes of it here\n"
      "  ramie doctor            which limit would stop a program of yours, before it does\n"
      "  examples/00_hello       a project of your own to copy: 20 lines and one cmake call\n");
}

curve curve_of(const std::vector<bench_result>& rows, const char* name, const std::string& library,
               const std::string& title) {
  curve one{title, {}, false};
  for (const bench_result& row : rows) {
    if (row.name == name && row.library == library && row.unit == "ns" && row.median > 0) {
      one.points.emplace_back(static_cast<double>(row.n), rate_of(row.median));
    }
  }
  std::sort(one.points.begin(), one.points.end());
  return one;
}

}  // namespace

bool has_our_results(const bench_report& report) {
  return std::any_of(report.results.begin(), report.results.end(), [](const bench_result& row) {
    return row.library == default_library || row.library == dense_library;
  });
}

void print_conditions(const machine_facts& facts) {
  const bool limited = facts.address_space_bytes != ~std::uint64_t{0};
  fmt::print("machine  {}, {} cores, Linux {}\n", facts.cpu, facts.cores, facts.kernel);
  fmt::print("memory   {} MiB, {} MiB available, swap {}, transparent huge pages {}, overcommit mode {}\n",
             facts.memory_bytes >> 20, facts.available_bytes >> 20,
             facts.swap_bytes == 0 ? "none" : fmt::format("{} MiB", facts.swap_bytes >> 20),
             facts.huge_pages.empty() ? "not there" : facts.huge_pages, facts.overcommit_mode);
  fmt::print("limits   vm.max_map_count {}, address space (RLIMIT_AS) {}\n", grouped(facts.max_map_count),
             limited ? fmt::format("{} MiB", facts.address_space_bytes >> 20) : "unlimited");
  guard_trial trials[5];
  const std::size_t count = try_guards(trials);
  const guard chosen = count_stacks().guard;
  fmt::print("guard    {}{}\n", name_of(chosen), count > 0 && trials[0].guard == chosen ? ", the best there is" : "");
  if (const char* asked = std::getenv("RAMIE_GUARD"); asked != nullptr && std::string(asked) != name_of(chosen)) {
    fmt::print("         RAMIE_GUARD asks for '{}', which does not work here\n", asked);
  }
  for (std::size_t i = 0; i < count && trials[i].guard != chosen; ++i) {
    fmt::print("         not {}: {}\n", name_of(trials[i].guard),
               trials[i].works ? "it works; RAMIE_GUARD asked for another" : trials[i].reason);
  }
}

void print_fibers_tables(const bench_report& report) {
  if (has_our_results(report)) {
    print_switches(report);
    print_transfers(report);
    print_creation(report);
    print_live(report);
  }
  print_ending(report);
}

void write_fibers_plot(const std::string& file, const bench_report& report, const std::vector<bench_result>& peers) {
  std::vector<curve> curves = {
      curve_of(report.results, "resume_yield", default_library, "ramie, 68 KiB slots"),
      curve_of(report.results, "resume_yield", dense_library, "ramie, 16 KiB slots"),
      curve_of(report.results, "resume_batch", default_library, "ramie, handed over as a batch"),
      curve_of(report.results, "resume_yield_nested", default_library, "ramie, one call deep")};
  std::set<std::string> libraries;
  for (const bench_result& row : peers) {
    if (row.library.rfind(default_library, 0) != 0) libraries.insert(row.library);
  }
  for (const std::string& library : libraries) curves.push_back(curve_of(peers, "resume_yield", library, library));
  curve thread{"the thread: Ruby 3.2, 2023", {}, true};
  for (const seed_row& row : seed_resume_rows()) {
    thread.points.emplace_back(static_cast<double>(row.fibers), row.per_second);
  }
  curves.push_back(std::move(thread));
  curves.erase(std::remove_if(curves.begin(), curves.end(), [](const curve& one) { return one.points.empty(); }),
               curves.end());
  write_plot(file, "resume + suspend, round robin", "fibers", "pairs of switches per second", curves);
}

}  // namespace ramie::app
