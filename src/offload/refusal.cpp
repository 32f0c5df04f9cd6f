// What to say when a pool can take no more.
#include "offload/pool.hpp"
#include "os/cgroup.hpp"
#include "os/proc_machine.hpp"
#include "os/proc_process.hpp"
#include "os/procfs.hpp"

namespace ramie::inline v0::offloading {
namespace {

std::string quoted(const offload_options& of) { return "offload pool '" + std::string(of.name.text()) + "'"; }
std::string of_limit(std::uint64_t used, std::uint64_t limit) {
  return std::to_string(used) + " of " + std::to_string(limit);
}

// The limits on threads, each with its numbers; first those that are reached.
std::string limits_on_threads() {
  const os::proc_root root;
  std::string reached, others;
  const auto tell = [&](std::uint64_t used, std::uint64_t limit, const std::string& name, const std::string& cure) {
    if (limit == os::unlimited || limit == 0) return;
    if (used >= limit) {
      reached += name + " is reached: " + of_limit(used, limit) + "; " + cure + ". ";
    } else {
      others += (others.empty() ? "" : ", ") + name + " " + of_limit(used, limit);
    }
  };
  tell(os::count_tasks_of_user(root, os::own_user()),
       os::parse_limits(os::read_text(root.of_machine("self/limits")).text).processes, "RLIMIT_NPROC",
       "raise it (ulimit -u)");
  const auto chain = os::read_pids_cgroups(root, os::read_text(root.of_machine("self/cgroup")).text);
  for (const os::cgroup_level& level : chain.levels) {
    tell(level.used, level.limit, level.directory + "/" + level.limit_file,
         "raise it (docker run --pids-limit, TasksMax=)");
  }
  const os::machine machine = os::read_machine(root);
  tell(machine.tasks, machine.threads_max, "kernel.threads-max", "raise it (sysctl -w kernel.threads-max=)");
  tell(machine.tasks, machine.pid_max, "kernel.pid_max", "raise it (sysctl -w kernel.pid_max=)");
  if (!reached.empty()) return reached;
  return "No limit on threads seems to be reached (" + others +
         "): look for memory, RLIMIT_AS and offload_options::stack_bytes. ";
}

}  // namespace

std::system_error thread_refused(const offload_options& of, int error) {
  return {error, std::generic_category(),
          quoted(of) + " has no thread, and the system starts none. " + limits_on_threads() +
              "The call has not run; it may be tried again"};
}

std::system_error queue_full(const offload_options& of, std::size_t threads, std::size_t queued) {
  return {std::make_error_code(std::errc::resource_unavailable_try_again),
          quoted(of) + ": all " + std::to_string(threads) + " threads (offload_options::threads is " +
              std::to_string(of.threads) + ") are busy and " + std::to_string(queued) +
              " calls wait, which is its queue_limit. Raise one of the two, or limit who calls with a "
              "ramie::semaphore. The call has not run"};
}

}  // namespace ramie::inline v0::offloading
