// What /proc says of the whole machine: memory, limits on tasks and mappings, the kernel's version. Bytes throughout.
// Any thread. A file that is missing (an old kernel, a snapshot without it) leaves the field at its default.
#pragma once

#include "os/procfs.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace ramie::os {

struct kernel_version {
  unsigned major = 0;
  unsigned minor = 0;
  std::string text;
  bool known() const { return major != 0; }
  bool at_least(unsigned wanted_major, unsigned wanted_minor) const {
    return major != wanted_major ? major > wanted_major : minor >= wanted_minor;
  }
};

struct machine {
  kernel_version kernel;
  std::uint64_t page_bytes = 4096;

  std::uint64_t memory = 0;  // MemTotal
  std::uint64_t memory_free = 0;
  std::uint64_t memory_available = 0;
  std::uint64_t file_pages = 0;  // Cached + Buffers + SwapCached: what the kernel counts as NR_FILE_PAGES
  std::uint64_t shared_memory = 0;
  std::uint64_t reclaimable_slab = 0;
  std::uint64_t swap = 0;
  std::uint64_t swap_free = 0;
  std::uint64_t commit_limit = 0;
  std::uint64_t committed = 0;       // Committed_AS
  std::uint64_t kept_by_kernel = 0;  // the sum of every zone's high watermark and lowmem reserve, from zoneinfo

  int overcommit_mode = 0;  // 0 heuristic, 1 always, 2 never
  std::uint64_t admin_reserve = 0;
  std::uint64_t user_reserve = 0;

  std::uint64_t max_map_count = 65530;
  std::uint64_t threads_max = 0;  // 0: not known
  std::uint64_t pid_max = 0;
  std::uint64_t tasks = 0;  // all threads of the machine
  std::string huge_pages;   // the chosen word of transparent_hugepage/enabled
};

machine read_machine(const proc_root& root);
kernel_version parse_kernel_version(std::string_view release);
std::uint64_t parse_kept_by_kernel(std::string_view zoneinfo, std::uint64_t page_bytes);

}  // namespace ramie::os
