// What /proc/PID/{status,limits,cgroup,ns} say of one process, as values. Bytes throughout; a limit that is not set is
// `unlimited`. Any thread; a field that this kernel does not print keeps its default.
#pragma once

#include "os/procfs.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ramie::os {

inline constexpr std::uint64_t unlimited = UINT64_MAX;

struct process_status {
  std::string name;
  char state = '?';
  int pid = 0;
  int parent = 0;
  unsigned real_user = 0;
  unsigned effective_user = 0;
  std::uint64_t effective_capabilities = 0;
  std::uint64_t threads = 0;
  std::vector<int> namespace_pids;  // outermost first; one entry when the process is in our pid namespace
  bool kernel_thread = false;       // has no address space of its own
  bool has_address_space = false;   // false also for a process that is dying
  std::uint64_t address_space = 0;  // VmSize
  std::uint64_t data = 0;           // VmData
  std::uint64_t stack = 0;          // VmStk
  std::uint64_t resident = 0;       // VmRSS
  std::uint64_t resident_anonymous = 0;
  std::uint64_t page_tables = 0;  // VmPTE
  std::uint64_t swapped = 0;
  std::uint64_t locked = 0;  // VmLck
  std::uint64_t pinned = 0;  // VmPin
  std::uint64_t huge_pages = 0;

  bool capable(unsigned capability) const { return (effective_capabilities >> capability & 1U) != 0; }
};

inline constexpr unsigned capability_sys_admin = 21;
inline constexpr unsigned capability_sys_resource = 24;

struct process_limits {
  std::uint64_t processes = unlimited;  // RLIMIT_NPROC: tasks of the real user
  std::uint64_t files = unlimited;
  std::uint64_t stack = unlimited;
  std::uint64_t address_space = unlimited;
  std::uint64_t data = unlimited;
  std::uint64_t locked = unlimited;
};

process_status parse_status(std::string_view text);
process_limits parse_limits(std::string_view text);

// How many tasks (threads count) the real user `user` has: reads every process's status.
std::uint64_t count_tasks_of_user(const proc_root& root, unsigned user);

}  // namespace ramie::os
