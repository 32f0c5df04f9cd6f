// Can it fork? All gates together, what a fork would cost, and what would go wrong although it succeeds.
//
// Any thread; values in, values out.
#pragma once

#include "diagnose/fork_gate.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace ramie::diagnose {

struct fork_cost {
  double least_ms = 0;
  double most_ms = 0;
  std::uint64_t small_pages = 0;  // page-table entries that are copied one by one
  std::uint64_t huge_pages = 0;
  std::uint64_t mappings = 0;
  bool upper_bound = false;  // the details were not read: huge pages and excluded mappings are counted as small pages
};

struct hazard {
  std::string code;
  std::string what;
  bool warning = false;  // else a remark
};

struct fork_verdict {
  outcome fork = outcome::works;
  outcome vfork = outcome::works;
  outcome spawn = outcome::works;
  std::string spawn_why;    // set when posix_spawn fares worse than vfork
  std::vector<gate> gates;  // in the kernel's order of asking
  fork_cost cost;
  std::vector<hazard> hazards;

  // The gate that decides: the worst, and the first of equals; the tightest one when all are open.
  const gate& decisive() const;
};

fork_verdict judge_fork(const process_facts& facts, const os::machine& machine);

}  // namespace ramie::diagnose
