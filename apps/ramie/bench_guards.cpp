// `ramie bench guards`: the bug thread's questions about guards, answered on this machine.
//
// Each way of making stacks runs in a process of its own; what a write below the stack does is tried in a child of
// that.
#include "bench.hpp"
#include "bench_child.hpp"
#include "bench_clock.hpp"
#include "bench_machine.hpp"
#include "demo.hpp"
#include "guard_baselines.hpp"

#include <ramie/fiber.hpp>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <utility>

namespace ramie::app {
namespace {

using baseline::raw_stacks;
using baseline::stack_way;
using clock = std::chrono::steady_clock;

constexpr std::size_t usable_bytes = std::size_t{64} << 10;
constexpr std::uint64_t eager_most = 2000;  // 64 KiB of real memory each

struct guards_plan {
  std::uint64_t count = 0;
  int runs = 0;
};

void report(child_output& out, const char* name, const char* library, std::uint64_t n, const char* unit, double value) {
  out.result(summarize(name, library, n, unit, {value}));
}

// What the population that `make` makes has cost, for each.
void measure_making(child_output& out, const char* library, std::uint64_t count,
                    const std::function<bool(std::uint64_t)>& make) {
  const process_usage before = read_usage();
  const clock::time_point start = clock::now();
  std::uint64_t made = 0;
  while (made < count && make(made)) ++made;
  const double ns = ns_since(start);
  process_usage after;
  read_times(after);
  const double faults = static_cast<double>(after.minor_faults - before.minor_faults);
  const double kernel_ns = after.kernel_ns - before.kernel_ns;
  after = read_usage();
  if (made == 0) return;
  const auto each = [&](const char* unit, double value) {
    report(out, "guard", library, made, unit, value / static_cast<double>(made));
  };
  each("ns_each", ns);
  each("kernel_ns_each", kernel_ns);
  each("faults_each", faults);
  each("rss_bytes_each", static_cast<double>(after.resident_bytes) - static_cast<double>(before.resident_bytes));
  report(out, "guard", library, made, "mappings",
         static_cast<double>(after.mappings) - static_cast<double>(before.mappings));
}

// Runs `write_below` in a child, silently: 0 when it survives, else the signal that ended it.
int signal_of(const std::function<void()>& write_below) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    for (const int signal : {SIGSEGV, SIGBUS}) std::signal(signal, SIG_DFL);
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nowhere, STDERR_FILENO);
    write_below();
    _exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void write_byte(std::uintptr_t address) { *reinterpret_cast<volatile char*>(address) = 7; }

struct growth {
  int signal;           // that stopped it; 0: it came down to its neighbour and wrote there
  double bytes_beyond;  // how far below the size that it should have had
};

// Writes downwards from the top of a stack that grows by itself until it is stopped, or to `neighbour`, the top of the
// next one: a probe without such an end would take all memory. Counted in shared memory, because whoever counts dies.
growth grow_down_to(std::uintptr_t neighbour, std::uintptr_t low, std::uintptr_t high) {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return {-1, 0};
  auto* beyond = static_cast<volatile std::size_t*>(page);
  const int signal = signal_of([&] {
    for (std::uintptr_t at = high - 1; at >= neighbour - 1; at -= 4096) {
      write_byte(at);
      if (at < low) *beyond = low - at;
    }
  });
  return {signal, static_cast<double>(*beyond)};
}

void measure_raw(child_output& out, stack_way way, std::uint64_t count) {
  const char* library = baseline::name_of(way);
  raw_stacks stacks(way, usable_bytes, count);
  int error = stacks.ok() ? 0 : errno;
  if (error == 0) {
    measure_making(out, library, count, [&](std::uint64_t) { return (error = stacks.make_one()) == 0; });
  }
  if (error != 0) {
    out.note(fmt::format("{}: refused after {} of {} stacks: {}", library, stacks.count(), count, strerror(error)));
  }
  if (stacks.count() < 2) return;
  const std::size_t upper = stacks.count() / 2;
  const growth found = way == stack_way::growsdown
                           ? grow_down_to(stacks.high(upper - 1), stacks.low(upper), stacks.high(upper))
                           : growth{signal_of([&] { write_byte(stacks.low(upper) - 1); }), 0};
  report(out, "hit", library, 1, "signal", found.signal);
  report(out, "hit", library, 1, "bytes_beyond", found.bytes_beyond);
}

void measure_rung(child_output& out, guard kind, std::uint64_t count) {
  const std::string library = fmt::format("ramie-{}", name_of(kind));
  std::vector<fiber> fibers;
  fibers.reserve(count);
  measure_making(out, library.c_str(), count, [&](std::uint64_t) {
    try {
      fibers.emplace_back([] { this_fiber::suspend(); }, fiber_options{.guard = kind});
      fibers.back().resume();
      return true;
    } catch (const stack_error& refused) {
      fibers.pop_back();
      out.note(fmt::format("{}: {}", library, refused.what()));
      return false;
    }
  });
  if (fibers.empty()) return;
  const std::uintptr_t below = fibers[fibers.size() / 2].stack().low - 1;
  report(out, "hit", library.c_str(), 1, "signal", signal_of([=] { write_byte(below); }));
  report(out, "hit", library.c_str(), 1, "bytes_beyond", 0);
}

// A population that ended, by policy: what trimming costs, and what the next fiber pays on such a stack.
void measure_trim(child_output& out, trim policy, std::uint64_t count) {
  set_stack_trim({.keep_bytes = ~std::size_t{0} >> 1, .policy = policy});
  const auto start_all = [count] {
    std::vector<fiber> fibers;
    fibers.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      fibers.emplace_back([] { this_fiber::suspend(); });
      fibers.back().resume();
    }
    return fibers;
  };
  start_all().clear();  // stacks, blocks and records exist now
  const clock::time_point trimming = clock::now();
  if (policy != trim::keep) trim_stacks();
  const double each = static_cast<double>(count);
  report(out, "trim", name_of(policy), count, "ns_each", ns_since(trimming) / each);
  process_usage before, after;
  read_times(before);
  const clock::time_point starting = clock::now();
  const std::vector<fiber> again = start_all();
  report(out, "restart", name_of(policy), count, "ns_each", ns_since(starting) / static_cast<double>(again.size()));
  read_times(after);
  report(out, "restart", name_of(policy), count, "faults_each",
         static_cast<double>(after.minor_faults - before.minor_faults) / each);
  _exit(0);  // the kernel takes the rest back at once
}

// Make, run, drop on one stack, with and without looking how deep it went.
void measure_watermark(child_output& out, std::uint64_t count) {
  for (const bool measured : {false, true}) {
    measure_stacks(measured);
    const clock::time_point start = clock::now();
    for (std::uint64_t i = 0; i < count; ++i) fiber([] {}).resume();
    report(out, "create", measured ? "measured" : "not-measured", count, "ns_each",
           ns_since(start) / static_cast<double>(count));
  }
}

constexpr stack_way raw_ways[] = {stack_way::mprotect_in_one, stack_way::two_mmaps, stack_way::growsdown,
                                  stack_way::populated,       stack_way::locked,    stack_way::none};
constexpr trim policies[] = {trim::keep, trim::free, trim::dontneed};

std::string hit_text(double signal, double beyond) {
  if (signal < 0) return "-";
  const char* end = signal == 0 ? "overwrites its neighbour" : signal == SIGBUS ? "SIGBUS" : "SIGSEGV";
  return beyond > 0 ? fmt::format("grows {:.0f} KiB too far, then {}", beyond / 1024, end) : end;
}

void print_tables(const bench_report& report) {
  fmt::print("{:<24} {:>7} {:>9} {:>10} {:>8} {:>9} {:>10}  {}\n", "", "stacks", "ns each", "kernel ns", "faults",
             "mappings", "resident", "a write below it");
  std::vector<std::pair<std::string, std::uint64_t>> ways;
  for (const bench_result& row : report.results) {
    if (row.name == "guard" && row.unit == "ns_each") ways.emplace_back(row.library, row.n);
  }
  for (const auto& [library, n] : ways) {
    const auto value = [&, &library = library, n = n](const char* unit) {
      return report.median_of("guard", library, n, unit);
    };
    fmt::print(
        "{:<24} {:>7} {:>9.0f} {:>10.0f} {:>8.2f} {:>9} {:>10.0f}  {}\n", library, grouped(n), value("ns_each"),
        value("kernel_ns_each"), value("faults_each"),
        grouped(static_cast<unsigned long long>(std::max(value("mappings"), 0.0))), value("rss_bytes_each"),
        hit_text(report.median_of("hit", library, 1, "signal"), report.median_of("hit", library, 1, "bytes_beyond")));
  }
  fmt::print(
      "\nmade and its first page touched; 64 KiB and a guard page each. ramie's rows are whole fibers, made and\n"
      "started. Kernel time is counted in ticks of a scheduler: believe it to a tenth.\n");

  fmt::print("\n{:<24} {:>12} {:>14} {:>8}\n", "free stacks", "trim, ns", "next start, ns", "faults");
  for (const bench_result& row : report.results) {
    if (row.name != "trim") continue;
    fmt::print("{:<24} {:>12.0f} {:>14.0f} {:>8.2f}\n", row.library, row.median,
               report.median_of("restart", row.library, row.n, "ns_each"),
               report.median_of("restart", row.library, row.n, "faults_each"));
  }
  for (const bench_result& row : report.results) {
    if (row.name == "create") fmt::print("make, run, drop: {:>6.0f} ns {}\n", row.median, row.library);
  }
  for (const std::string& note : report.notes) fmt::print("\nnote: {}\n", note);
}

}  // namespace

int bench_guards(const bench_options& options, bench_report& report) {
  const machine_facts facts = read_machine();
  guards_plan plan{options.largest != 0 ? options.largest : 20000, options.smoke ? 1 : options.quick ? 3 : 7};
  if (options.quick) plan.count = std::min<std::uint64_t>(plan.count, 10000);
  if (options.smoke) plan.count = std::min<std::uint64_t>(plan.count, 64);
  // The mappings of a process end before its memory does; ours refuses by itself.
  const std::uint64_t raw_most = facts.max_map_count < 4096 ? 64 : (facts.max_map_count - 2048) / 2;
  const std::uint64_t raw_count = std::min(plan.count, raw_most);
  if (raw_count < plan.count) {
    report.notes.push_back(fmt::format("the ways with two mappings a stack go to {}: vm.max_map_count is {}",
                                       grouped(raw_count), grouped(facts.max_map_count)));
  }
  std::vector<std::function<void(child_output&)>> jobs;
  for (const stack_way way : raw_ways) {
    const bool eager = way == stack_way::populated || way == stack_way::locked;
    const std::uint64_t count = eager ? std::min(raw_count, eager_most) : raw_count;
    jobs.emplace_back([=](child_output& out) { measure_raw(out, way, count); });
  }
  for (const guard kind : {guard::region, guard::poison, guard::wp, guard::wp_populated, guard::mprotect}) {
    jobs.emplace_back([=](child_output& out) {
      guard_trial trials[5];
      const std::size_t rungs = try_guards(trials);
      for (std::size_t i = 0; i < rungs; ++i) {
        if (trials[i].guard != kind) continue;
        if (trials[i].works) return measure_rung(out, kind, plan.count);
        out.note(fmt::format("ramie-{}: does not work here: {}", name_of(kind), trials[i].reason));
      }
    });
  }
  for (const trim policy : policies) {
    jobs.emplace_back([=](child_output& out) { measure_trim(out, policy, plan.count); });
  }
  jobs.emplace_back([=](child_output& out) { measure_watermark(out, plan.count); });

  bench_report samples;
  {
    progress_bar bar(static_cast<int>(jobs.size()) * plan.runs);
    for (int run = 0; run < plan.runs; ++run) {
      for (const auto& job : jobs) run_in_child(samples, bar, job);
    }
  }
  merge_samples(report, samples.results);
  report.notes.insert(report.notes.end(), samples.notes.begin(), samples.notes.end());
  if (!options.json) print_tables(report);
  return report.results.empty() ? 1 : 0;
}

}  // namespace ramie::app
