// Every other limit that a process can run into, as one list of used and allowed. Any thread; values in, values out.
#pragma once

#include "diagnose/facts.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace ramie::diagnose {

struct nearby_limit {
  std::string code;  // "mappings", "open_files": the name in JSON and in metrics
  std::string name;  // for people
  bool in_bytes = false;
  std::uint64_t used = 0;
  std::uint64_t limit = os::unlimited;
  std::string where;  // what holds it
  std::string cure;   // what to type when it is near

  bool limited() const { return limit != os::unlimited; }
  double share() const { return limited() && limit != 0 ? static_cast<double>(used) / static_cast<double>(limit) : 0; }
};

// In a fixed order; limits that are not known are left out, unlimited ones are kept.
std::vector<nearby_limit> list_limits(const process_facts& facts, const os::machine& machine);

}  // namespace ramie::diagnose
