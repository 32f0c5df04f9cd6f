// The control groups of a process, from its own up to the root, with the limits that matter to a fork.
//
// Both versions, and the mixed set-up where controllers are still version 1 beside an empty version 2 tree. The tree
// is looked for at proc_root::cgroup; where a container shows only its own part of it, the path in /proc/PID/cgroup
// does not exist there and the top of what is shown is taken instead (`cut_off`).
#pragma once

#include "os/proc_process.hpp"
#include "os/procfs.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ramie::os {

struct cgroup_level {
  std::string path;       // as /proc/PID/cgroup names it: "/a/b"
  std::string directory;  // where its files are
  std::uint64_t used = 0;
  std::uint64_t limit = unlimited;
  std::uint64_t refused = 0;  // how often the limit was hit (pids.events max, memory.events max or failcnt)
  std::uint64_t reclaimable =
      0;                   // memory only: file pages that the kernel drops before it kills; swap room not counted
  std::string limit_file;  // the file that holds the limit: "pids.max", "memory.limit_in_bytes"
  bool limited() const { return limit != unlimited; }
};

struct cgroup_chain {
  std::vector<cgroup_level> levels;  // the process's own first
  int version = 0;                   // 1 or 2; 0: the controller was not found
  bool cut_off = false;
};

// `membership` is the text of /proc/PID/cgroup.
cgroup_chain read_pids_cgroups(const proc_root& root, std::string_view membership);
cgroup_chain read_memory_cgroups(const proc_root& root, std::string_view membership);
// Processor time: `limit` is in thousandths of a processor, `used` is not read.
cgroup_chain read_processor_cgroups(const proc_root& root, std::string_view membership);

}  // namespace ramie::os
