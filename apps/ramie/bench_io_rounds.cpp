#include "bench_io_rounds.hpp"

#include "bench_io_pair.hpp"
#include "epoll_echo.hpp"

#include <ramie/net.hpp>
#include <ramie/runtime.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace ramie::app {
namespace {

// Descriptors of a server or of the load that are no connection.
constexpr std::size_t other_descriptors = 100;

void serve(net::stream peer) {
  std::array<char, baseline::buffer_bytes> data;
  std::error_code error;
  while (const std::size_t got = peer.read_some(std::span<char>(data), error)) {
    peer.write_all(std::as_bytes(std::span(data.data(), got)), error);
    if (error) return;
  }
}

void echo_by_ramie(io_kind io, const baseline::port_listener& listens) {
  runtime here({.io = io});
  here.run([&](scope& s) {
    net::listener door("127.0.0.1:0", {.backlog = baseline::backlog});
    listens(door.local().port());
    for (;;) s.spawn([peer = door.accept()]() mutable { serve(std::move(peer)); }, {.name = "connection"});
  });
}

std::string load_of_the_machine() {
  std::ifstream in("/proc/loadavg");
  std::string one_minute;
  in >> one_minute;
  return one_minute;
}

bool is_ours(const std::string& library) { return library.starts_with("ramie"); }

struct samples_of_one {
  std::vector<double> cpu_us, requests_per_second, p50_us, p99_us;
  void add(const echo_pair::figures& seen) {
    cpu_us.push_back(seen.cpu_us);
    requests_per_second.push_back(seen.requests_per_second);
    p50_us.push_back(seen.p50_us);
    p99_us.push_back(seen.p99_us);
  }
};

void tell(child_output& out, const std::string& library, std::size_t n, const samples_of_one& seen) {
  out.result(summarize("echo", library, n, "cpu_us_each", seen.cpu_us));
  out.result(summarize("echo", library, n, "requests_per_second", seen.requests_per_second));
  out.result(summarize("echo", library, n, "p50_us", seen.p50_us));
  out.result(summarize("echo", library, n, "p99_us", seen.p99_us));
}

void tell_ratio(child_output& out, const std::string& ours, const std::string& theirs, std::size_t n,
                const samples_of_one& mine, const samples_of_one& other) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < mine.cpu_us.size(); ++i) ratios.push_back(mine.cpu_us[i] / other.cpu_us[i]);
  out.result(summarize("echo", ours, n, "ratio_to_" + theirs, std::move(ratios)));
}

void measure_echo(child_output& out, const io_plan& plan, const std::vector<io_contender>& all, std::size_t n) {
  std::vector<std::unique_ptr<echo_pair>> pairs;
  pairs.reserve(all.size());
  for (const io_contender& one : all) pairs.push_back(std::make_unique<echo_pair>(one.serve, n));
  std::vector<samples_of_one> seen(all.size());
  const bool are_many = n > 1'000;
  const double seconds = are_many ? 5 * plan.seconds : plan.seconds;
  const int runs = are_many ? (plan.runs + 2) / 3 : plan.runs;
  for (auto& pair : pairs) pair->measure(seconds);
  for (int run = 0; run < runs; ++run) {
    out.progress(static_cast<double>(run) / runs, fmt::format("echo, {} connections", n));
    for (std::size_t i = 0; i < all.size(); ++i) seen[i].add(pairs[i]->measure(seconds));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    tell(out, all[i].library, n, seen[i]);
    for (std::size_t other = 0; other < all.size() && is_ours(all[i].library); ++other) {
      if (!is_ours(all[other].library)) tell_ratio(out, all[i].library, all[other].library, n, seen[i], seen[other]);
    }
  }
  out.note(fmt::format("echo, {} connections: the machine's load afterwards was {}", n, load_of_the_machine()));
}

void measure_calls(child_output& out, const io_plan& plan, const std::vector<io_contender>& all, std::size_t n) {
  for (const io_contender& one : all) {
    echo_pair pair(one.serve, n);
    const std::optional<double> calls = pair.system_calls_per_request(plan.seconds);
    if (calls) {
      out.result(summarize("system_calls", one.library, n, "calls_each", {*calls}));
    } else {
      out.note("system_calls: not measured: strace is not installed, or may not trace here");
    }
  }
}

// One after the other: each holds as many descriptors as there may be.
void measure_idle(child_output& out, const std::vector<io_contender>& all, std::size_t n) {
  for (const io_contender& one : all) {
    out.progress(0.5, fmt::format("idle_connection: {}", one.library));
    const echo_pair pair(one.serve, n);
    out.result(summarize("idle_connection", one.library, n, "bytes_each", {pair.resident_bytes_per_connection()}));
  }
}

}  // namespace

io_plan plan_io(bool quick, bool smoke) {
  if (smoke) return {.runs = 1, .seconds = 0.001, .connections = {4}, .idle = 16};
  if (quick) return {.runs = 9, .seconds = 0.1, .connections = {100, 2'000}, .idle = 2'000};
  return {};
}

std::vector<io_contender> own_contenders(bench_report& report) {
  std::vector<io_contender> all;
  const auto add = [&](const char* library, io_kind io) {
    all.push_back({library, [io](const baseline::port_listener& listens) { echo_by_ramie(io, listens); }});
  };
  add("ramie-uring", io_kind::uring);
  try {
    const echo_pair tried(all.back().serve, 1);
  } catch (const std::exception& failure) {
    report.notes.push_back(fmt::format("ramie-uring is not measured: {}", failure.what()));
    all.clear();
  }
  add("ramie-epoll", io_kind::epoll);
  all.push_back({"epoll-by-hand", [](const baseline::port_listener& listens) {
                   baseline::epoll_echo(baseline::trigger::edge, listens);
                 }});
  return all;
}

void run_io_rounds(bench_report& report, progress_bar& bar, const io_plan& plan,
                   const std::vector<io_contender>& contenders) {
  const std::size_t allowed = raise_descriptor_limit();
  const std::size_t most = allowed > other_descriptors ? allowed - other_descriptors : 1;
  report.notes.push_back(
      fmt::format("a process may have {} descriptors (RLIMIT_NOFILE, raised to its hard limit)", allowed));
  for (const std::size_t wanted : plan.connections) {
    if (!plan.has("echo")) break;
    run_in_child(report, bar, [&](child_output& out) { measure_echo(out, plan, contenders, std::min(wanted, most)); });
  }
  if (plan.has("system_calls")) {
    run_in_child(report, bar, [&](child_output& out) {
      measure_calls(out, plan, contenders, std::min(plan.connections.front(), most));
    });
  }
  if (plan.has("idle_connection")) {
    run_in_child(report, bar, [&](child_output& out) { measure_idle(out, contenders, std::min(plan.idle, most)); });
  }
}

}  // namespace ramie::app
