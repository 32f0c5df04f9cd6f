// Limits on the number of tasks, in the order in which copy_process() asks them: RLIMIT_NPROC, threads-max, a pid in
// every namespace, the pids controller. They hold for fork, vfork, posix_spawn and new threads alike.
#include "diagnose/fork_gate.hpp"
#include "diagnose/words.hpp"

#include <algorithm>
#include <cerrno>

namespace ramie::diagnose {
namespace {

// One task more: fails when used + 1 > limit. The last 1 % (and at least the last task) is borderline only in that
// others may take it first, so it is still `works` until nothing is left.
void judge_count(gate& result, std::uint64_t used, std::uint64_t limit) {
  result.unit = measure::tasks;
  result.error_number = EAGAIN;
  result.needed = 1;
  result.used = used;
  result.limit = limit;
  if (limit == os::unlimited) {
    result.headroom = INT64_MAX;
    return;
  }
  result.headroom = static_cast<std::int64_t>(limit) - static_cast<std::int64_t>(used) - 1;
  if (result.headroom < 0) result.fork = result.vfork = result.spawn = outcome::fails;
}

}  // namespace

// pids_try_charge() and pids_can_fork() in kernel/cgroup/pids.c: every ancestor is asked, the tightest decides.
gate judge_pids_cgroups(const process_facts& facts) {
  gate result;
  result.what = cause::pids_cgroup;
  result.limit = os::unlimited;
  judge_count(result, 0, os::unlimited);
  result.why = facts.pids_cgroups.version == 0 ? "no pids controller" : "no pids.max in its cgroups";
  const auto& levels = facts.pids_cgroups.levels;
  for (std::size_t depth = 0; depth != levels.size(); ++depth) {
    const os::cgroup_level& level = levels[depth];
    if (!level.limited()) continue;
    gate here;
    here.what = depth == 0 ? cause::pids_cgroup : cause::pids_cgroup_ancestor;
    judge_count(here, level.used, level.limit);
    if (here.headroom >= result.headroom) continue;
    here.where = level.directory + "/pids.max";
    here.why = std::string("pids.max of ") + (depth == 0 ? "its cgroup " : "the cgroup above it, ") + level.path +
               ": " + grouped(level.used) + " of " + grouped(level.limit) + " tasks";
    if (level.refused != 0) here.why += ", refused " + grouped(level.refused) + " times so far";
    if (here.fork != outcome::works) {
      here.cure = "echo " + std::to_string(level.limit * 2) + " > " + here.where +
                  "  (systemd: TasksMax=, docker: --pids-limit, kubernetes: podPidsLimit)";
    }
    result = std::move(here);
  }
  if (facts.pids_cgroups.cut_off) result.why += "; the groups above are not visible from here";
  return result;
}

// is_rlimit_overlimit() in copy_process(): root's own user and two capabilities are exempt.
gate judge_user_processes(const process_facts& facts, const os::machine& machine) {
  gate result;
  result.what = cause::user_processes;
  result.where = "RLIMIT_NPROC of user " + std::to_string(facts.status.real_user);
  bool exempt = facts.status.real_user == 0 || facts.status.capable(os::capability_sys_admin) ||
                facts.status.capable(os::capability_sys_resource);
  if (exempt || facts.limits.processes == os::unlimited) {
    judge_count(result, 0, os::unlimited);
    result.why = exempt ? "RLIMIT_NPROC does not bind root and privileged processes" : "RLIMIT_NPROC is unlimited";
    return result;
  }
  std::uint64_t used = facts.tasks_of_user.value_or(std::min(machine.tasks, facts.limits.processes / 2));
  judge_count(result, used, facts.limits.processes);
  result.why = "RLIMIT_NPROC: user " + std::to_string(facts.status.real_user) + " has " +
               (facts.tasks_of_user ? "" : "at most ") + grouped(used) + " of " + grouped(facts.limits.processes) +
               " tasks, threads included";
  if (result.fork != outcome::works) {
    result.cure = "prlimit --pid " + std::to_string(facts.pid) +
                  " --nproc=" + std::to_string(facts.limits.processes * 2) +
                  "  (lasting: limits.conf nproc, or LimitNPROC= of the unit)";
  }
  return result;
}

// nr_threads >= max_threads in copy_process(); alloc_pid() gives out 300 to pid_max - 1 once it has wrapped around.
gate judge_machine_tasks(const process_facts& facts, const os::machine& machine) {
  gate threads;
  threads.what = cause::machine_tasks;
  threads.where = "kernel.threads-max";
  bool threads_known = machine.threads_max != 0 && machine.tasks != 0;
  judge_count(threads, machine.tasks, threads_known ? machine.threads_max : os::unlimited);
  threads.why = "kernel.threads-max: " + grouped(machine.tasks) + " of " + grouped(machine.threads_max) + " tasks";
  if (threads.fork != outcome::works) {
    threads.cure = "sysctl -w kernel.threads-max=" + std::to_string(machine.threads_max * 2);
  }
  gate pids;
  pids.what = cause::machine_tasks;
  pids.where = "kernel.pid_max";
  bool pids_known = machine.pid_max > 300 && machine.tasks != 0 && !facts.in_inner_pid_namespace;
  judge_count(pids, facts.pids_from_300.value_or(machine.tasks), pids_known ? machine.pid_max - 300 : os::unlimited);
  pids.why = "kernel.pid_max: " + grouped(pids.used) + " of " +
             grouped(machine.pid_max - std::min(machine.pid_max, std::uint64_t{300})) + " process ids taken";
  if (pids.fork != outcome::works) pids.cure = "sysctl -w kernel.pid_max=4194304";
  if (!facts.pids_from_300 && pids.fork != outcome::works && machine.tasks < machine.pid_max)
    pids.fork = pids.vfork = pids.spawn = outcome::borderline;
  return pids.headroom < threads.headroom ? pids : threads;
}

// alloc_pid() answers ENOMEM in a namespace that is being taken down (PIDNS_ADDING is cleared).
gate judge_pid_namespace(const process_facts& facts) {
  gate result;
  result.what = cause::dead_pid_namespace;
  result.error_number = ENOMEM;
  result.where = "/proc/" + std::to_string(facts.pid) + "/ns/pid_for_children";
  switch (facts.children) {
    case children_namespace::same:
      result.why = "children are born in its own pid namespace";
      break;
    case children_namespace::unborn:
      result.why = "the next child becomes init of a new pid namespace";
      break;
    case children_namespace::alive:
      result.why = "children are born in another pid namespace, whose init lives";
      break;
    case children_namespace::unknown:
      result.why = "the pid namespace of its children is not visible from here";
      break;
    case children_namespace::dead:
      result.fork = result.vfork = result.spawn = outcome::fails;
      result.why =
          "it has unshared its pid namespace and the first child, init of the new one, has died: every fork "
          "fails with ENOMEM, whatever memory is free";
      result.cure = "start it again; let the first child live (unshare --fork, or a small init) as long as others fork";
      break;
  }
  return result;
}

}  // namespace ramie::diagnose
