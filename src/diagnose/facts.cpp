#include "diagnose/facts.hpp"

#include <cerrno>

namespace ramie::diagnose {
namespace {

bool ended(const os::process_status& status) {
  return status.state == '?' || status.state == 'Z' || status.state == 'X';
}

os::process_status status_of(const os::proc_root& root, int pid) {
  return os::parse_status(os::read_text(root.of_process(pid, "status")).text);
}

// maps of a process that dies meanwhile just ends early: a report of half a process would be wrong without a sign. The
// first thing that a dying process loses is its address space; it can still be called running then.
bool lost_its_memory(const os::proc_root& root, const process_facts& facts) {
  os::process_status now = status_of(root, facts.pid);
  return ended(now) || (!now.has_address_space && facts.status.has_address_space);
}

// When a namespace's init has died the kernel has killed everything in it, so one living member proves a living init.
bool has_living_member(const os::proc_root& root, const std::string& space) {
  for (int pid : os::list_processes(root)) {
    if (os::read_link(root.of_process(pid, "ns/pid")).text == space && !ended(status_of(root, pid))) return true;
  }
  return false;
}

children_namespace find_children_namespace(const os::proc_root& root, int pid) {
  os::file_text own = os::read_link(root.of_process(pid, "ns/pid"));
  if (!own) return children_namespace::unknown;
  os::file_text children = os::read_link(root.of_process(pid, "ns/pid_for_children"));
  if (children.error == ENOENT) {
    // Before Linux 4.12 the file does not exist at all: then its folder does not list it either.
    for (const std::string& name : os::list_names(root.of_process(pid, "ns"))) {
      if (name == "pid_for_children") return children_namespace::unborn;
    }
    return children_namespace::unknown;
  }
  if (!children) return children_namespace::unknown;
  if (children.text == own.text) return children_namespace::same;
  return has_living_member(root, children.text) ? children_namespace::alive : children_namespace::dead;
}

// The first pid namespace of a machine has a fixed number.
bool root_is_first_pid_namespace(const os::proc_root& root) {
  return os::read_link(root.of_machine("self/ns/pid")).text == "pid:[4026531836]";
}

std::uint64_t count_pids_from_300(const os::proc_root& root) {
  std::uint64_t count = 0;
  for (int pid : os::list_processes(root)) {
    for (const std::string& thread : os::list_names(root.of_process(pid, "task"))) {
      count += os::number_in(thread) >= 300;
    }
  }
  return count;
}

void count_tasks_where_needed(const os::proc_root& root, const os::machine& machine, process_facts& facts) {
  // No user can have more tasks than the machine.
  bool near_user_limit = facts.limits.processes != os::unlimited && machine.tasks >= facts.limits.processes / 2;
  if (near_user_limit) facts.tasks_of_user = os::count_tasks_of_user(root, facts.status.real_user);
  if (machine.pid_max > 300 && machine.tasks >= (machine.pid_max - 300) / 2) {
    bool whole_machine = root_is_first_pid_namespace(root) || !root.live();
    if (!whole_machine) facts.pids_from_300 = count_pids_from_300(root);
  }
}

}  // namespace

std::size_t process_facts::mapping_count() const {
  std::size_t count = maps.mappings.size();
  if (count != 0 && maps.name_of(maps.mappings.back()) == "[vsyscall]") --count;
  return count;
}

process_facts read_process(const os::proc_root& root, const os::machine& machine, int pid) {
  process_facts facts;
  facts.pid = pid;
  auto refuse = [&](const char* file, int error) {
    facts.error = error;
    facts.refused = root.of_process(pid, file);
  };
  os::file_text status = os::read_text(root.of_process(pid, "status"));
  if (!status) {
    refuse("status", status.error);
    return facts;
  }
  facts.status = os::parse_status(status.text);
  facts.name = facts.status.name;
  if (ended(facts.status)) {
    refuse("status", ESRCH);
    return facts;
  }
  facts.in_inner_pid_namespace = facts.status.namespace_pids.size() > 1;
  facts.maps = os::read_maps(root, pid);
  // A process that dies while it is read ends its maps early, or without a word.
  bool died = !facts.status.kernel_thread &&
              (!facts.status.has_address_space || (facts.maps.error == 0 && facts.maps.mappings.empty()));
  if (facts.maps.error != 0 || died) {
    refuse("maps", facts.maps.error != 0 ? facts.maps.error : ESRCH);
    return facts;
  }
  facts.limits = os::parse_limits(os::read_text(root.of_process(pid, "limits")).text);
  facts.executable = os::read_link(root.of_process(pid, "exe")).text;
  std::string membership = os::read_text(root.of_process(pid, "cgroup")).text;
  facts.pids_cgroups = os::read_pids_cgroups(root, membership);
  facts.memory_cgroups = os::read_memory_cgroups(root, membership);
  facts.open_files = os::count_entries(root.of_process(pid, "fd"));
  facts.children = find_children_namespace(root, pid);
  count_tasks_where_needed(root, machine, facts);
  if (lost_its_memory(root, facts)) refuse("status", ESRCH);
  return facts;
}

bool read_details(const os::proc_root& root, process_facts& facts) {
  if (facts.maps.detailed()) return true;
  os::mapping_list detailed = os::read_smaps(root, facts.pid);
  if (detailed.error != 0 || detailed.mappings.empty()) return false;
  if (lost_its_memory(root, facts)) {
    facts.error = ESRCH;
    facts.refused = root.of_process(facts.pid, "smaps");
    return false;
  }
  facts.maps = std::move(detailed);
  return true;
}

}  // namespace ramie::diagnose
