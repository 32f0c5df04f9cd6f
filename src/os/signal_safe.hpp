// System calls for code that may run in a signal handler of a broken process.
//
// Every function here may be called in a handler, on any thread, on a small alternate stack: none allocates, locks or
// goes through a libc function that somebody can replace, and errno is as it was when they return. An error is returned
// as the positive errno value; 0 is success.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ramie::os {

// Writes all of the text; one write(2) unless the descriptor takes only part of it or a signal comes between. A
// descriptor that does not block is waited for up to one second. Returns 0 or errno.
int write_all(int descriptor, std::string_view text) noexcept;

// The first bytes of a file, or an empty view when it cannot be read.
std::string_view read_file(const char* path, std::span<char> memory) noexcept;

// Where a symbolic link points, or an empty view.
std::string_view read_link(const char* path, std::span<char> memory) noexcept;

// True when this process may execute the file (by its real user, as access(2) says).
bool may_execute(const char* path) noexcept;

struct address_range {
  std::uintptr_t low = 0;   // first byte
  std::uintptr_t high = 0;  // one past the last
  [[nodiscard]] bool empty() const noexcept { return low >= high; }
  [[nodiscard]] bool holds(std::uintptr_t address) const noexcept { return address >= low && address < high; }
};

// The readable mapping that holds the address, read from /proc/self/maps; empty when there is none or no procfs. Takes
// time with the number of mappings: about 0.2 us for each.
address_range mapping_of(std::uintptr_t address) noexcept;

// Where the program itself begins to run: an address in its code.
std::uintptr_t program_entry() noexcept;

int process_number() noexcept;
int thread_number() noexcept;
std::uint64_t monotonic_ns() noexcept;
void sleep_ns(std::uint64_t duration_ns) noexcept;

}  // namespace ramie::os
