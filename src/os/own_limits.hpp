// What this process has used of the limits that can refuse it memory. Numbers only; what they mean is for others.
//
// Any thread. No allocation, no exceptions: read with a fixed buffer, so that it works when memory is what is missing.
#pragma once

#include <cstdint>

namespace ramie::os {

inline constexpr std::uint64_t unlimited = ~std::uint64_t{0};

std::uint64_t mappings_in_use() noexcept;   // lines of /proc/self/maps; 0 when unreadable. 1 us a line
std::uint64_t mappings_allowed() noexcept;  // vm.max_map_count; 65530 when unreadable

std::uint64_t address_space_in_use_bytes() noexcept;   // /proc/self/statm
std::uint64_t address_space_allowed_bytes() noexcept;  // RLIMIT_AS
std::uint64_t data_in_use_bytes() noexcept;            // private writable, /proc/self/status VmData
std::uint64_t data_allowed_bytes() noexcept;           // RLIMIT_DATA

int overcommit_mode() noexcept;                 // 0, 1, 2; -1 when unreadable
std::uint64_t committed_bytes() noexcept;       // Committed_AS
std::uint64_t commit_allowed_bytes() noexcept;  // CommitLimit

// The tightest memory cgroup above this process: usage and limit; `unlimited` when there is none.
struct cgroup_memory {
  std::uint64_t used_bytes = 0, allowed_bytes = unlimited;
};
cgroup_memory tightest_memory_cgroup() noexcept;

}  // namespace ramie::os
