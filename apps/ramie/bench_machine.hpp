// What a figure depends on besides the code: processor, kernel, huge pages, swap, overcommit, limits.
//
// Read once per call from /proc and getrlimit; any thread; what cannot be read is an empty text or a zero.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace ramie::app {

struct machine_facts {
  std::string cpu;
  unsigned cores = 0;
  std::string kernel;
  std::string huge_pages;  // the chosen word of transparent_hugepage/enabled
  std::uint64_t swap_bytes = 0;
  int overcommit_mode = -1;
  std::uint64_t max_map_count = 0;
  std::uint64_t address_space_bytes = 0;  // RLIMIT_AS; ~0: unlimited
  std::uint64_t memory_bytes = 0;
  std::uint64_t available_bytes = 0;  // MemAvailable, or what a memory cgroup leaves, whichever is less
};
[[nodiscard]] machine_facts read_machine();
[[nodiscard]] nlohmann::ordered_json machine_json();

// This process: for figures per fiber, read before and after.
struct process_usage {
  std::uint64_t resident_bytes = 0, virtual_bytes = 0, page_table_bytes = 0;
  std::uint64_t mappings = 0;
  std::uint64_t minor_faults = 0;
  double kernel_ns = 0;
};
[[nodiscard]] process_usage read_usage();
// The two that a system call tells; cheap.
void read_times(process_usage& usage);

}  // namespace ramie::app
