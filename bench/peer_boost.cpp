// Boost.Context and Boost.Fiber beside ramie, alternating in one process: the figures that ratios come from.
//
//     peer_boost [--quick | --smoke] [LARGEST]
//
// Prints the JSON object of all benchmarks. A row with unit "ratio" is the median of our time divided by the peer's,
// taken sample by sample, each next to the other: what disturbs one disturbs both. Each job runs in a child.
#include "bench.hpp"
#include "bench_child.hpp"
#include "bench_machine.hpp"
#include "boost_loops.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ramie::peer {
namespace {

using app::bench_report;
using app::child_output;
using app::progress_bar;
using app::summarize;

constexpr std::size_t dense_stack_bytes = std::size_t{12} << 10;
constexpr const char* peer_name = "boost.context";

struct plan {
  std::uint64_t largest = std::uint64_t{1} << 20;
  int runs = 9;
  std::size_t pairs = 1000000;
};

std::size_t rounds_for(const plan& of, std::uint64_t fibers) {
  return std::max<std::size_t>(of.pairs / static_cast<std::size_t>(fibers), 1);
}

// Samples of ours and of a peer's, each pair taken together.
class duel {
 public:
  void add(double ours_ns, double peer_ns) {
    ours_.push_back(ours_ns);
    peer_.push_back(peer_ns);
    ratios_.push_back(ours_ns / peer_ns);
  }
  // The ratio; the peer's time, unless an earlier duel has told it; ours, where no duel with another peer does.
  void report(child_output& out, const char* name, const char* ours, const char* peer, std::uint64_t n) {
    if (std::strcmp(peer, peer_name) == 0) out.result(summarize(name, ours, n, "ns", std::move(ours_)));
    out.result(summarize(name, ours, n, std::string("ratio_to_") + peer, std::move(ratios_)));
    if (std::strcmp(ours, "ramie") == 0) out.result(summarize(name, peer, n, "ns", std::move(peer_)));
  }
  // Where the peer has no such case and another of its times was compared with.
  void report_ours(child_output& out, const char* name, const char* ours, const char* peer, std::uint64_t n) {
    out.result(summarize(name, ours, n, "ns", std::move(ours_)));
    out.result(summarize(name, ours, n, std::string("ratio_to_") + peer, std::move(ratios_)));
  }

 private:
  std::vector<double> ours_, peer_, ratios_;
};

// Both populations grow together; each is leaked, since the process ends.
void resume_job(child_output& out, const plan& of, suspend_place place, std::size_t ours_bytes, const char* ours) {
  std::vector<fiber>& mine = *std::make_unique<std::vector<fiber>>().release();
  population& theirs = *std::make_unique<population>(place, stack_kind::fixedsize, 0).release();
  mine.reserve(of.largest);
  for (std::uint64_t n = 1; n <= of.largest; n *= 2) {
    out.progress(static_cast<double>(n) / static_cast<double>(of.largest), fmt::format("{} and boost: {}", ours, n));
    app::add_started(mine, n - mine.size(), place, ours_bytes);
    theirs.add_started(n - theirs.size());
    const std::size_t rounds = rounds_for(of, n);
    static_cast<void>(app::resume_pair_ns(mine, n, 1) + theirs.resume_pair_ns(n, 1));
    duel plain, batch;
    for (int run = 0; run < of.runs; ++run) {
      const double ours_ns = app::resume_pair_ns(mine, n, rounds), theirs_ns = theirs.resume_pair_ns(n, rounds);
      plain.add(ours_ns, theirs_ns);
      if (place == suspend_place::inlined) batch.add(app::resume_batch_pair_ns(mine, n, rounds), theirs_ns);
    }
    plain.report(out, place == suspend_place::nested ? "resume_yield_nested" : "resume_yield", ours, peer_name, n);
    if (place == suspend_place::inlined) batch.report_ours(out, "resume_batch", ours, peer_name, n);
  }
}

// The peer alone in another configuration.
void configured_job(child_output& out, const plan& of, stack_kind kind, std::size_t stack_bytes, const char* library,
                    std::uint64_t largest) {
  population& theirs = *std::make_unique<population>(suspend_place::inlined, kind, stack_bytes).release();
  for (std::uint64_t n = 1; n <= std::min(largest, of.largest); n *= 2) {
    theirs.add_started(n - theirs.size());
    std::vector<double> samples;
    static_cast<void>(theirs.resume_pair_ns(n, 1));
    for (int run = 0; run < of.runs; ++run) samples.push_back(theirs.resume_pair_ns(n, rounds_for(of, n)));
    out.result(summarize("resume_yield", library, n, "ns", std::move(samples)));
  }
}

void transfer_job(child_output& out, const plan& of, std::size_t ours_bytes, const char* ours) {
  for (const std::uint64_t n : {2, 10, 100, 1000, 10000, 100000, 1000000}) {
    if (n > of.largest) break;
    out.progress(0, fmt::format("{} and boost: transfer around {}", ours, n));
    auto mine = std::make_unique<app::transfer_ring>(n, ours_bytes);
    auto theirs = std::make_unique<ring>(n);
    const std::size_t laps = rounds_for(of, n);
    duel both;
    static_cast<void>(mine->transfer_ns(1) + theirs->transfer_ns(1));
    for (int run = 0; run < of.runs; ++run) {
      const double ours_ns = mine->transfer_ns(laps);
      both.add(ours_ns, theirs->transfer_ns(laps));
    }
    both.report(out, "transfer", ours, peer_name, n);
    static_cast<void>(mine.release());
    static_cast<void>(theirs.release());
  }
}

void create_job(child_output& out, const plan& of) {
  const std::pair<stack_kind, const char*> kinds[] = {{stack_kind::fixedsize, "boost.context"},
                                                      {stack_kind::pooled, "boost.context-pooled"},
                                                      {stack_kind::protected_, "boost.context-guarded"}};
  for (const auto& [kind, library] : kinds) {
    const std::size_t times = kind == stack_kind::protected_ ? of.pairs / 50 + 1 : of.pairs;
    duel both, dense;
    static_cast<void>(app::create_run_finish_ns(1000, 0) + create_run_finish_ns(10, kind));
    for (int run = 0; run < of.runs; ++run) {
      const double ours_ns = app::create_run_finish_ns(of.pairs, 0), theirs_ns = create_run_finish_ns(times, kind);
      both.add(ours_ns, theirs_ns);
      dense.add(app::create_run_finish_ns(of.pairs, dense_stack_bytes), theirs_ns);
    }
    both.report(out, "create", "ramie", library, 1);
    dense.report(out, "create", "ramie-16k", library, 1);
  }
  std::vector<double> samples;
  for (int run = 0; run < of.runs; ++run) samples.push_back(fiber_create_run_finish_ns(of.pairs / 10 + 1));
  out.result(summarize("create", "boost.fiber", 1, "ns", std::move(samples)));
}

// A scheduler's yield, not a pair of switches: what it includes, ours does not.
void yield_job(child_output& out, const plan& of, stack_kind kind, std::size_t stack_bytes, const char* library,
               std::uint64_t n) {
  yielders& all = *std::make_unique<yielders>(n, kind, stack_bytes).release();
  std::vector<double> samples;
  for (int run = 0; run < of.runs; ++run) samples.push_back(all.yield_ns(rounds_for(of, n)));
  out.result(summarize("yield_with_scheduler", library, n, "ns", std::move(samples)));
}

void run_jobs(bench_report& report, const plan& of) {
  const std::uint64_t yields[] = {1, 100, 10000, 100000};
  progress_bar bar(8 + 2 * static_cast<int>(std::size(yields)));
  const auto run = [&](const std::function<void(child_output&)>& job) { app::run_in_child(report, bar, job); };
  run([&](child_output& out) { create_job(out, of); });
  run([&](child_output& out) { resume_job(out, of, suspend_place::inlined, 0, "ramie"); });
  run([&](child_output& out) { resume_job(out, of, suspend_place::inlined, dense_stack_bytes, "ramie-16k"); });
  run([&](child_output& out) { resume_job(out, of, suspend_place::nested, 0, "ramie"); });
  run([&](child_output& out) {
    configured_job(out, of, stack_kind::pooled, dense_stack_bytes, "boost.context-pooled-12k", of.largest);
  });
  // Beyond 32,745 its guards are silently missing, or it throws.
  run([&](child_output& out) { configured_job(out, of, stack_kind::protected_, 0, "boost.context-guarded", 16384); });
  run([&](child_output& out) { transfer_job(out, of, 0, "ramie"); });
  run([&](child_output& out) { transfer_job(out, of, dense_stack_bytes, "ramie-16k"); });
  for (const std::uint64_t n : yields) {
    if (n > of.largest) continue;
    run([&](child_output& out) { yield_job(out, of, stack_kind::fixedsize, 0, "boost.fiber", n); });
    run([&](child_output& out) {
      yield_job(out, of, stack_kind::pooled, dense_stack_bytes, "boost.fiber-pooled-12k", n);
    });
  }
  report.notes.push_back(
      fmt::format("Boost {}; its fibers are unguarded unless the name says guarded; Boost.Fiber's "
                  "yield includes its scheduler",
                  boost_version()));
}

int usage() {
  fmt::print(stderr, "usage: peer_boost [--quick | --smoke] [LARGEST, 1 to 16777216]\n");
  return 2;
}

int main_of_peer(int count, char** arguments) {
  plan of;
  std::uint64_t asked = 0;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--quick") {
      of = {std::uint64_t{1} << 14, 5, 200000};
    } else if (argument == "--smoke") {
      of = {64, 1, 1};
    } else {
      const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), asked);
      if (error != std::errc{} || end != argument.data() + argument.size() || asked == 0 || asked > 1U << 24) {
        return usage();
      }
    }
  }
  if (asked != 0) of.largest = asked;
  bench_report report;
  constexpr std::uint64_t bytes_for_both = 2 * 4400;
  const std::uint64_t fits = std::bit_floor(app::read_machine().available_bytes / 10 * 9 / bytes_for_both);
  if (fits < of.largest) {
    report.notes.push_back(
        fmt::format("memory for {} fibers of each kind is free, so the largest size is {}", fits, fits));
    of.largest = fits;
  }
  run_jobs(report, of);
  app::print_json("fibers", report);
  return 0;
}

}  // namespace
}  // namespace ramie::peer

int main(int count, char** arguments) { return ramie::peer::main_of_peer(count, arguments); }
