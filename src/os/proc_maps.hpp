// The mappings of any process, from /proc/PID/maps and /proc/PID/smaps.
//
// maps costs the kernel 0.4 us a line (60,000 mappings: 25 ms), smaps eight times that, because it walks the page
// tables: whoever can decide from maps alone must not read smaps. The list is compact (32 bytes a mapping, names kept
// once) because a process that is in trouble has tens of thousands of them.
//
// Any thread. A process that dies while it is read gives a shorter list or `error` = ESRCH, never an exception; a line
// that cannot be parsed is skipped and counted.
#pragma once

#include "os/procfs.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ramie::os {

struct mapping {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;
  std::uint32_t name = 0;  // index into mapping_list::names; 0 is the empty name of anonymous memory
  bool readable : 1 = false;
  bool writable : 1 = false;
  bool executable : 1 = false;
  bool shared : 1 = false;
  bool has_file : 1 = false;  // an inode stands behind it

  std::uint64_t bytes() const { return end - start; }
  bool accessible() const { return readable || writable || executable; }
  bool same_access(const mapping& other) const {
    return readable == other.readable && writable == other.writable && executable == other.executable &&
           shared == other.shared;
  }
};

// What only smaps knows of a mapping. Bytes, not kB.
struct mapping_detail {
  std::uint64_t resident = 0;
  std::uint64_t proportional = 0;  // Pss
  std::uint64_t shared_clean = 0;
  std::uint64_t shared_dirty = 0;
  std::uint64_t private_clean = 0;
  std::uint64_t private_dirty = 0;
  std::uint64_t anonymous = 0;
  std::uint64_t anonymous_huge = 0;
  std::uint64_t swapped = 0;
  std::uint64_t locked = 0;
  // VmFlags, as two letters each, in the kernel's order; empty on kernels before 3.8.
  std::string_view flags;

  bool flag(std::string_view two_letters) const;
  bool accounted() const { return flag("ac"); }      // counts against overcommit when forked
  bool not_inherited() const { return flag("dc"); }  // MADV_DONTFORK
};

struct mapping_list {
  std::vector<mapping> mappings;
  std::vector<std::string> names{""};
  std::vector<mapping_detail> details;  // as many as mappings after read_smaps, else empty
  std::size_t unreadable_lines = 0;
  int error = 0;
  std::string text;  // what the details' flags point into

  mapping_list() = default;
  mapping_list(mapping_list&&) = default;
  mapping_list& operator=(mapping_list&&) = default;
  mapping_list(const mapping_list&) = delete;  // details point into text
  mapping_list& operator=(const mapping_list&) = delete;

  const std::string& name_of(const mapping& m) const { return names[m.name]; }
  bool detailed() const { return !details.empty(); }
};

mapping_list read_maps(const proc_root& root, int pid);
mapping_list read_smaps(const proc_root& root, int pid);
mapping_list parse_maps(std::string_view text);
mapping_list parse_smaps(std::string text);  // kept: the flags point into it

}  // namespace ramie::os
