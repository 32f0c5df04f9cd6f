// Random layouts against real forks.
//
// Each layout is made in a child of its own, the doctor's verdict is taken there, and then the child really calls fork,
// vfork and posix_spawn. Address space, not memory: a handful of pages is touched. The machine stays in the overcommit
// mode it is in.
#pragma once

#include <cstdint>
#include <string>

namespace ramie::test {

struct fuzz_result {
  unsigned layouts = 0;
  unsigned forks_failed = 0;  // really
  unsigned borderline = 0;    // within 1 % of the boundary: not counted as right or wrong
  unsigned fork_right = 0, fork_wrong = 0;
  unsigned vfork_wrong = 0;
  unsigned spawn_wrong = 0;
  unsigned old_tool_right = 0;  // what "largest accounted mapping > MemFree" would have said
  unsigned lost = 0;            // children that could not be laid out
  std::string first_wrong;

  bool all_right() const { return fork_wrong == 0 && vfork_wrong == 0 && spawn_wrong == 0 && lost == 0; }
  std::string summary(int mode, std::uint64_t seed) const;
};

fuzz_result fuzz_forks(unsigned layouts, std::uint64_t seed);

}  // namespace ramie::test
