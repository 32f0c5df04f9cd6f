// `--save DIR`: a snapshot that `--proc DIR/proc` reads on any machine. Only what the doctor reads; no memory contents,
// no environment, no command lines.
#include "doctor.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace ramie::app {
namespace {

namespace fs = std::filesystem;

void save(const std::string& from, const fs::path& into) {
  os::file_text read = os::read_text(from);
  if (!read) return;
  fs::create_directories(into.parent_path());
  std::ofstream(into, std::ios::binary) << read.text;
}

void save_link(const std::string& from, const fs::path& into) {
  os::file_text read = os::read_link(from);
  if (!read) return;
  fs::create_directories(into.parent_path());
  std::ofstream(into, std::ios::binary) << read.text << "\n";
}

void save_machine(const os::proc_root& root, const fs::path& into) {
  for (const char* file : {"meminfo", "loadavg", "zoneinfo", "sys/kernel/osrelease", "sys/kernel/threads-max",
                           "sys/kernel/pid_max", "sys/vm/overcommit_memory", "sys/vm/overcommit_ratio",
                           "sys/vm/admin_reserve_kbytes", "sys/vm/user_reserve_kbytes", "sys/vm/max_map_count"}) {
    save(root.of_machine(file), into / "proc" / file);
  }
  save(root.sysfs + "/kernel/mm/transparent_hugepage/enabled", into / "sys/kernel/mm/transparent_hugepage/enabled");
  save(root.cgroup + "/cgroup.controllers", into / "sys/fs/cgroup/cgroup.controllers");
  save(root.cgroup + "/unified/cgroup.controllers", into / "sys/fs/cgroup/unified/cgroup.controllers");
}

void save_cgroups(const os::proc_root& root, const os::cgroup_chain& chain, const fs::path& into) {
  for (const os::cgroup_level& level : chain.levels) {
    std::string inside = level.directory.substr(std::min(level.directory.size(), root.cgroup.size() + 1));
    for (const char* file : {"pids.max", "pids.current", "pids.events", "memory.max", "memory.current", "memory.events",
                             "memory.stat", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.failcnt"}) {
      save(level.directory + "/" + file, into / "sys/fs/cgroup" / inside / file);
    }
  }
}

// The open files only as names: their number is what counts.
void save_open_files(const os::proc_root& root, int pid, const fs::path& into) {
  for (const std::string& name : os::list_names(root.of_process(pid, "fd"))) {
    fs::create_directories(into / "fd");
    std::ofstream(into / "fd" / name);
  }
}

// Whose the machine's tasks are: RLIMIT_NPROC is compared with their sum. Two lines of each status, no names.
void save_tasks(const os::proc_root& root, const fs::path& into) {
  for (int pid : os::list_processes(root)) {
    fs::path file = into / "proc" / std::to_string(pid) / "status";
    os::file_text status = os::read_text(root.of_process(pid, "status"));
    if (!status || fs::exists(file)) continue;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << "Uid:\t" << os::value_of(status.text, "Uid") << "\nThreads:\t"
                        << os::value_of(status.text, "Threads") << "\n";
  }
}

}  // namespace

int save_snapshot(const os::proc_root& root, const std::string& directory, const std::vector<int>& processes) {
  fs::path into = directory;
  os::machine machine = os::read_machine(root);
  save_machine(root, into);
  int status = exit_fine;
  for (int pid : processes) {
    diagnose::process_facts facts = diagnose::read_process(root, machine, pid);
    if (facts.error != 0) {
      fmt::print(stderr, "ramie doctor: process {}: {}: {}\n", pid, facts.refused, std::strerror(facts.error));
      status = exit_unreadable;
      continue;
    }
    fs::path own = into / "proc" / std::to_string(pid);
    for (const char* file : {"status", "maps", "smaps", "limits", "cgroup", "comm"})
      save(root.of_process(pid, file), own / file);
    for (const char* link : {"exe", "ns/pid", "ns/pid_for_children"}) save_link(root.of_process(pid, link), own / link);
    save_open_files(root, pid, own);
    save_cgroups(root, facts.pids_cgroups, into);
    save_cgroups(root, facts.memory_cgroups, into);
    fmt::print("saved process {}: read it by  ramie doctor --proc {} {}\n", pid, (into / "proc").string(), pid);
  }
  save_tasks(root, into);
  return status;
}

}  // namespace ramie::app
