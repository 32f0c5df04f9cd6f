// The whole examination of one process: facts in, findings out.
//
// A finding is something to act on and says which limit, how much is used, and what to type. A fine process has none.
#pragma once

#include "diagnose/facts.hpp"
#include "diagnose/fork_verdict.hpp"
#include "diagnose/mappings.hpp"
#include "diagnose/nearby_limits.hpp"

#include <string>
#include <vector>

namespace ramie::diagnose {

enum class severity : unsigned char { warning, failing };  // will fail; fails now

struct finding {
  severity level = severity::warning;
  std::string code;  // "mappings", "fork.pids_cgroup", "limit.open_files", "hazard.pinned"
  std::string what;
  std::string cure;
};

struct examine_options {
  double threshold = 0.8;  // the share of a limit from which it is a finding
  bool deep = false;       // read smaps even where the verdict does not need it
};

struct report {
  process_facts facts;
  os::machine machine;
  mapping_summary mappings;
  fork_verdict fork;
  std::vector<nearby_limit> limits;
  std::vector<finding> findings;  // worst first
  bool details_missing = false;   // smaps was needed and could not be read

  bool readable() const { return facts.error == 0; }
};

// Reads `pid` and judges it; a process that is gone or closed has readable() == false and nothing but facts.
report examine(const os::proc_root& root, const os::machine& machine, int pid, const examine_options& options);
inline report examine(const os::proc_root& root, int pid, const examine_options& options) {
  return examine(root, os::read_machine(root), pid, options);
}

// Judges facts that are already there.
void conclude(report& about, const examine_options& options);

}  // namespace ramie::diagnose
