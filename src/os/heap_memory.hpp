// Address space and pages for the heap room, and what a process's pages cost: who shares them, who pays.
//
// Any thread. Values in, values or an errno out; no policy, no allocation on the C++ heap. Address space is reserved
// inaccessible and uncommitted (PROT_NONE, MAP_NORESERVE), then opened from its start: fork charges what is opened at
// most, and one reservation takes two mappings however often it grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace ramie::os::heap_memory {

inline constexpr std::size_t page_bytes = 4096;

// Reserves `bytes` at a multiple of `alignment_bytes` (a power of two, at least a page). Null when the system refuses;
// errno then says why.
std::byte* reserve(std::size_t bytes, std::size_t alignment_bytes) noexcept;
void release(std::byte* begin, std::size_t bytes) noexcept;

// Makes reserved pages readable and writable. 0 or the errno.
int open(std::byte* begin, std::size_t bytes) noexcept;

// Gives the pages back to the system; they read as zero afterwards. In a forked child this drops the child's share and
// leaves the parent's pages alone. 0 or the errno.
int discard(std::byte* begin, std::size_t bytes) noexcept;

enum class page_size : std::uint8_t { system_choice, small_only, huge_wanted };
// A wish, never an error: a kernel without huge pages has nothing to refuse.
void advise(std::byte* begin, std::size_t bytes, page_size wish) noexcept;

// A page that a forked child finds zeroed (MADV_WIPEONFORK, Linux 4.14+): the cheapest way to notice that one is the
// child, and the only one that a pid namespace does not fool. Null when the system refuses it.
std::byte* map_wiped_on_fork() noexcept;

// What /proc/<pid>/smaps_rollup says. Proportional: each page divided by the number of processes that map it.
struct memory_use {
  std::size_t resident_bytes = 0;
  std::size_t proportional_bytes = 0;
  std::size_t private_dirty_bytes = 0;
  std::size_t shared_bytes = 0;
};

// Process 0 is the caller. Empty when the file cannot be read (no such process, no permission, kernel before 4.14).
std::optional<memory_use> read_memory_use(int process) noexcept;

}  // namespace ramie::os::heap_memory
