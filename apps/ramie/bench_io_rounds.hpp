// Echo servers beside each other: what `ramie bench io` and bench/peer_io have in common.
//
// All servers of a round live at once, and are measured in turn, again and again: what disturbs one disturbs the next.
#pragma once

#include "bench.hpp"
#include "bench_child.hpp"
#include "echo_setup.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ramie::app {

struct io_contender {
  std::string library;
  baseline::echo_server serve;
};

struct io_plan {
  int runs = 45;
  double seconds = 0.1;  // of one sample, with up to 1,000 connections; with more, more, and fewer runs
  std::vector<std::size_t> connections = {100, 10'000};
  std::size_t idle = 19'000;
  std::string_view only_case = {};  // echo, idle_connection, or all
  [[nodiscard]] bool has(std::string_view name) const { return only_case.empty() || only_case == name; }
};
[[nodiscard]] io_plan plan_io(bool quick, bool smoke);

// Those of ramie, io_uring first where it works (else a note), and the loop by hand.
[[nodiscard]] std::vector<io_contender> own_contenders(bench_report& report);

// All of the plan: rows "echo" (cpu_us_each, requests_per_second, p50_us, p99_us, ratio_to_... of each of ramie's to
// each other), "system_calls" (calls_each) and "idle_connection" (bytes_each).
void run_io_rounds(bench_report& report, progress_bar& bar, const io_plan& plan,
                   const std::vector<io_contender>& contenders);

}  // namespace ramie::app
