// What a fork has to pass: one gate per limit of the kernel, each with its verdict, numbers and cure.
//
// A gate is a rule of the kernel written down once, in the function that judges it, with the kernel's own function
// named beside it. The oracle of every rule is a real fork() in a process laid out that way (tests/diagnose), never a
// second formula. Values in, values out: nothing here reads anything. Any thread.
#pragma once

#include "diagnose/facts.hpp"
#include "os/proc_machine.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ramie::diagnose {

enum class outcome : unsigned char { works, unknown, borderline, fails, killed };  // worse is greater

enum class cause : unsigned char {
  largest_mapping,       // overcommit mode 0: one mapping larger than RAM and swap
  commit_sum,            // overcommit mode 2: the sum over the commit limit
  pids_cgroup,           // pids.max of its own group
  pids_cgroup_ancestor,  // pids.max of a group above
  user_processes,        // RLIMIT_NPROC
  machine_tasks,         // kernel.threads-max or kernel.pid_max
  dead_pid_namespace,    // the init of the namespace for its children has died
  memory_cgroup          // the copied page tables do not fit: the kernel kills, fork does not return
};

enum class measure : unsigned char { none, bytes, tasks };

struct gate {
  cause what = cause::largest_mapping;
  outcome fork = outcome::works;
  outcome vfork = outcome::works;
  outcome spawn = outcome::works;  // glibc's posix_spawn: a vfork that first maps a stack
  int error_number = 0;            // what fork would set errno to
  measure unit = measure::none;
  std::uint64_t needed = 0;   // what this fork asks for
  std::uint64_t used = 0;     // what is taken already
  std::uint64_t limit = 0;    // os::unlimited where there is none
  std::int64_t headroom = 0;  // limit - used - needed
  std::string where;          // the file, sysctl or mapping that holds the limit
  std::string why;            // one sentence with the numbers
  std::string cure;           // what to type or to change; empty when nothing is wrong
};

std::string_view word_for(outcome value);  // "works", "borderline", ...
std::string_view code_for(cause value);    // "largest_mapping", ...: the names in JSON

// Within this share of the boundary a verdict is `borderline`: the counters the kernel compares are exact to it only.
inline constexpr double borderline_share = 0.01;

// Whether smaps is needed to judge; when it is not, maps alone proves that the gates are open.
bool details_decide(const process_facts& facts, const os::machine& machine);

gate judge_overcommit(const process_facts& facts, const os::machine& machine);
gate judge_pids_cgroups(const process_facts& facts);
gate judge_user_processes(const process_facts& facts, const os::machine& machine);
gate judge_machine_tasks(const process_facts& facts, const os::machine& machine);
gate judge_pid_namespace(const process_facts& facts);
gate judge_memory_cgroups(const process_facts& facts, const os::machine& machine);

// Bytes of page tables that a fork copies: those that hold anonymous or guarded pages of inherited mappings. An upper
// bound where details were not read.
std::uint64_t copied_page_table_bytes(const process_facts& facts);

}  // namespace ramie::diagnose
