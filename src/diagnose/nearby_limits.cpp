#include "diagnose/nearby_limits.hpp"

namespace ramie::diagnose {
namespace {

std::string prlimit(int pid, const char* option, std::uint64_t limit) {
  return "prlimit --pid " + std::to_string(pid) + " --" + option + "=" + std::to_string(limit * 2);
}

void add_memory_cgroup(const process_facts& facts, std::vector<nearby_limit>& list) {
  const os::cgroup_level* tightest = nullptr;
  auto room = [](const os::cgroup_level& level) {
    return static_cast<std::int64_t>(level.limit) - static_cast<std::int64_t>(level.used) +
           static_cast<std::int64_t>(level.reclaimable);
  };
  for (const os::cgroup_level& level : facts.memory_cgroups.levels) {
    if (level.limited() && (tightest == nullptr || room(level) < room(*tightest))) tightest = &level;
  }
  if (facts.memory_cgroups.version == 0) return;
  if (tightest == nullptr) {
    list.push_back(
        {"cgroup_memory", "cgroup memory", true, facts.memory_cgroups.levels.front().used, os::unlimited, "", ""});
    return;
  }
  std::uint64_t kept = tightest->used - std::min(tightest->used, tightest->reclaimable);
  std::string file = tightest->directory + "/" + tightest->limit_file;
  list.push_back({"cgroup_memory", "cgroup memory", true, kept, tightest->limit, file,
                  "echo " + std::to_string(tightest->limit + tightest->limit / 2) + " > " + file});
}

void add_pids_cgroup(const process_facts& facts, std::vector<nearby_limit>& list) {
  const os::cgroup_level* tightest = nullptr;
  for (const os::cgroup_level& level : facts.pids_cgroups.levels) {
    if (level.limited() && (tightest == nullptr || level.limit - level.used < tightest->limit - tightest->used))
      tightest = &level;
  }
  if (tightest == nullptr) return;
  std::string file = tightest->directory + "/pids.max";
  list.push_back({"cgroup_pids", "cgroup tasks", false, tightest->used, tightest->limit, file,
                  "echo " + std::to_string(tightest->limit * 2) + " > " + file});
}

}  // namespace

std::vector<nearby_limit> list_limits(const process_facts& facts, const os::machine& machine) {
  std::vector<nearby_limit> list;
  int pid = facts.pid;
  list.push_back({"mappings", "mappings", false, facts.mapping_count(), machine.max_map_count, "vm.max_map_count",
                  "sysctl -w vm.max_map_count=" + std::to_string(machine.max_map_count * 4)});
  if (facts.open_files >= 0) {
    list.push_back({"open_files", "open files", false, static_cast<std::uint64_t>(facts.open_files), facts.limits.files,
                    "RLIMIT_NOFILE", prlimit(pid, "nofile", facts.limits.files)});
  }
  if (facts.tasks_of_user && facts.status.real_user != 0) {
    list.push_back({"user_tasks", "tasks of its user", false, *facts.tasks_of_user, facts.limits.processes,
                    "RLIMIT_NPROC", prlimit(pid, "nproc", facts.limits.processes)});
  }
  add_pids_cgroup(facts, list);
  add_memory_cgroup(facts, list);
  list.push_back({"address_space", "address space", true, facts.status.address_space, facts.limits.address_space,
                  "RLIMIT_AS", prlimit(pid, "as", facts.limits.address_space)});
  list.push_back({"data", "data segment", true, facts.status.data, facts.limits.data, "RLIMIT_DATA",
                  prlimit(pid, "data", facts.limits.data)});
  list.push_back({"stack", "main stack", true, facts.status.stack, facts.limits.stack, "RLIMIT_STACK",
                  prlimit(pid, "stack", facts.limits.stack)});
  list.push_back({"locked", "locked memory", true, facts.status.locked, facts.limits.locked, "RLIMIT_MEMLOCK",
                  prlimit(pid, "memlock", facts.limits.locked)});
  if (machine.tasks != 0 && machine.threads_max != 0) {
    list.push_back({"machine_tasks", "tasks of the machine", false, machine.tasks, machine.threads_max,
                    "kernel.threads-max", "sysctl -w kernel.threads-max=" + std::to_string(machine.threads_max * 2)});
  }
  if (machine.swap != 0) {
    list.push_back({"swap", "swap", true, machine.swap - std::min(machine.swap, machine.swap_free), machine.swap,
                    "swap", "add swap (mkswap, swapon), or find what fills it"});
  }
  return list;
}

}  // namespace ramie::diagnose
