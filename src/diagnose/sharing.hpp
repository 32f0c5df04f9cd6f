// Copy-on-write in a family of processes: what is still shared after a fork, and who broke the rest. Any thread.
//
// From smaps: Pss divides a page among its users, private pages belong to one process alone. A private dirty page at an
// address where the parent has a mapping too, inherited and not its own, is one that somebody has written since the
// fork.
#pragma once

#include "diagnose/facts.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace ramie::diagnose {

struct sharing_row {
  std::string mapping;  // name, or "anonymous memory", with its address
  std::uint64_t bytes = 0;
  std::uint64_t resident = 0;
  std::uint64_t shared = 0;
  std::uint64_t private_dirty = 0;
};

struct process_sharing {
  int pid = 0;
  int parent = 0;
  int error = 0;
  std::string name;
  std::uint64_t resident = 0;
  std::uint64_t proportional = 0;
  std::uint64_t shared = 0;  // clean and dirty
  std::uint64_t private_clean = 0;
  std::uint64_t private_dirty = 0;
  std::uint64_t anonymous = 0;
  // Private dirty memory at addresses that the first process of the family has mapped alike: broken sharing. 0 for the
  // first itself.
  std::uint64_t broken = 0;
  std::vector<sharing_row> breakers;  // where, most private dirty memory first

  double shared_share() const {
    return resident == 0 ? 0 : static_cast<double>(shared) / static_cast<double>(resident);
  }
};

// The processes in the order given; the first is the one that the others were forked from.
std::vector<process_sharing> read_sharing(const os::proc_root& root, const std::vector<int>& family);

// `pid` and its living descendants, ascending.
std::vector<int> find_family(const os::proc_root& root, int pid);

}  // namespace ramie::diagnose
