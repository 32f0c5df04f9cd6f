// Who uses up vm.max_map_count: the mappings of a process grouped by maker, with the patterns that stand out.
//
// The pattern that ends processes is the guard page made by mprotect: it splits a mapping, so each stack costs two. It
// is recognised by shape (an inaccessible anonymous mapping directly below a writable one, the same two sizes over and
// over), so it works for any runtime without symbols. Any thread; values in, values out; one pass, 10 ns per mapping.
#pragma once

#include "diagnose/facts.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ramie::diagnose {

// Mappings of one maker: a file, a bracketed name of the kernel, anonymous memory, a recognised pattern.
struct mapping_group {
  std::string name;
  std::size_t mappings = 0;
  std::uint64_t bytes = 0;
};

enum class stack_kind : unsigned char { fibers, threads };

// Stacks whose guards split mappings: all of one size.
struct guarded_stacks {
  stack_kind kind = stack_kind::fibers;
  std::size_t count = 0;
  std::uint64_t stack_bytes = 0;  // the writable part
  std::uint64_t guard_bytes = 0;
  std::size_t batch = 1;     // how many are made at once, where the runtime is known: Ruby makes 1,024
  std::size_t fails_at = 0;  // the count at which creating one more fails, all else staying as it is
};

struct mapping_summary {
  std::size_t count = 0;  // without [vsyscall], as the kernel counts
  std::uint64_t limit = 0;
  std::size_t headroom = 0;
  std::uint64_t bytes = 0;
  std::vector<mapping_group> groups;   // most mappings first
  std::vector<guarded_stacks> stacks;  // most first; patterns of 8 or more
  std::size_t arenas = 0;              // malloc's 64 MiB arenas: a writable start and an inaccessible rest
  // Neighbours with the same access and backing that are two mappings all the same.
  std::size_t alike_neighbours = 0;
  std::size_t alike_but_flags = 0;  // of these, kept apart by a flag that only smaps shows; 0 without details
  std::string commonest_flag;       // the flag that keeps most of those apart

  double share() const { return limit == 0 ? 0 : static_cast<double>(count) / static_cast<double>(limit); }
};

mapping_summary summarize_mappings(const process_facts& facts, std::uint64_t max_map_count);

}  // namespace ramie::diagnose
