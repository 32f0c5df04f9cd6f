#include "stack/refusal.hpp"

#include "os/own_limits.hpp"
#include "stack/size_class.hpp"

#include <cstring>
#include <string>

namespace ramie::stack {
namespace {

std::string grouped(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string result;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) result += ',';
    result += digits[i];
  }
  return result;
}

std::string mebibytes(std::uint64_t bytes) { return grouped(bytes >> 20) + " MiB"; }

constexpr std::errc no_memory = std::errc::not_enough_memory;

}  // namespace

stack_error explain_refusal(int errno_value, const char* call, std::uint64_t bytes) {
  const std::string what = std::string("no stack: ") + call + " refused " + mebibytes(bytes);

  std::uint64_t used = os::address_space_in_use_bytes(), allowed = os::address_space_allowed_bytes();
  if (allowed != os::unlimited && used + bytes > allowed) {
    return {no_memory,
            stack_limit::address_space,
            used,
            allowed,
            what + ": the address space limit (RLIMIT_AS) is " + mebibytes(allowed) + " and " + mebibytes(used) +
                " are in use",
            "Raise it (ulimit -v), or use smaller stacks (fiber_options::stack_bytes)"};
  }
  used = os::data_in_use_bytes(), allowed = os::data_allowed_bytes();
  if (allowed != os::unlimited && used + bytes > allowed) {
    return {
        no_memory,
        stack_limit::data_size,
        used,
        allowed,
        what + ": the data limit (RLIMIT_DATA) is " + mebibytes(allowed) + " and " + mebibytes(used) + " are in use",
        "Raise it (ulimit -d), or use smaller stacks (fiber_options::stack_bytes)"};
  }
  used = os::mappings_in_use(), allowed = os::mappings_allowed();
  if (used + 8 >= allowed) {
    return {no_memory,
            stack_limit::mappings,
            used,
            allowed,
            what + ": vm.max_map_count is " + grouped(allowed) + " and " + grouped(used) + " mappings are in use",
            "Raise it (sysctl -w vm.max_map_count=" + std::to_string(allowed * 4) +
                "), or see who makes them: ramie doctor"};
  }
  if (os::overcommit_mode() == 2) {
    used = os::committed_bytes(), allowed = os::commit_allowed_bytes();
    if (used + bytes > allowed - allowed / 16) {
      return {no_memory,
              stack_limit::commit,
              used,
              allowed,
              what + ": vm.overcommit_memory is 2, the commit limit is " + mebibytes(allowed) + " and " +
                  mebibytes(used) + " are promised",
              "Raise vm.overcommit_ratio, set vm.overcommit_memory=0, or use smaller stacks"};
    }
  }
  const os::cgroup_memory group = os::tightest_memory_cgroup();
  if (group.allowed_bytes != os::unlimited && group.used_bytes + (std::uint64_t{1} << 20) > group.allowed_bytes) {
    return {no_memory,
            stack_limit::memory_cgroup,
            group.used_bytes,
            group.allowed_bytes,
            what + ": the memory cgroup allows " + mebibytes(group.allowed_bytes) + " and " +
                mebibytes(group.used_bytes) + " are in use",
            "Raise memory.max of the container"};
  }
  return {no_memory,
          stack_limit::kernel_memory,
          0,
          0,
          what + ": " + std::strerror(errno_value) + ", and no limit that this process can read is reached",
          "The kernel itself is short of memory; see dmesg and ramie doctor"};
}

stack_error out_of_mappings(std::uint64_t used, std::uint64_t allowed, std::uint64_t kept_free,
                            const char* why_no_better_guard) {
  return {no_memory,
          stack_limit::mappings,
          used,
          allowed,
          "no guarded stack: vm.max_map_count is " + grouped(allowed) + " and " + grouped(used) +
              " mappings are in use; each mprotect guard takes two, and " + grouped(kept_free) +
              " are kept for the rest of the process",
          "Raise it (sysctl -w vm.max_map_count=" + std::to_string(allowed * 4) +
              "), or let a better guard work: " + why_no_better_guard};
}

stack_error bad_size(std::size_t asked) {
  return {std::errc::invalid_argument,
          stack_limit::size,
          asked,
          most_bytes,
          "no stack: " + grouped(asked) + " bytes were asked for, and stacks may have up to " + mebibytes(most_bytes),
          "Set fiber_options::stack_bytes to 134,217,728 or less; 0 means 64 KiB"};
}

stack_error no_guard(const char* asked_for, const char* reason) {
  return {std::errc::not_supported,
          stack_limit::guard,
          0,
          0,
          std::string("no guarded stack: guard '") + asked_for + "' does not work here: " + reason,
          "Unset RAMIE_GUARD or name one of region, poison, wp, wp-populated, mprotect; guard::none only by request"};
}

stack_error guard_lost(const char* kind) {
  return {std::errc::bad_file_descriptor,
          stack_limit::guard_lost,
          0,
          0,
          std::string("the guards of kind '") + kind + "' are gone: somebody closed the userfaultfd that they live by",
          "Keep inherited descriptors when closing all (closefrom, close_range), or force RAMIE_GUARD=mprotect"};
}

}  // namespace ramie::stack
