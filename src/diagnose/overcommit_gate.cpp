// Overcommit: __vm_enough_memory() in the kernel's mm/util.c, called by dup_mmap() for every mapping that is accounted
// (VM_ACCOUNT, "ac") and inherited (no VM_DONTCOPY, "dc"), in order of address.
//
//   mode 1: never refuses.
//   mode 0: since 5.2 each single mapping against RAM + swap. Before, against what was free at that moment.
//   mode 2: committed memory, to which every mapping is added first, against the commit limit less two reserves; what
//           the fork has added so far stays added, so their sum counts.
#include "diagnose/fork_gate.hpp"
#include "diagnose/words.hpp"

#include <algorithm>
#include <cerrno>

namespace ramie::diagnose {
namespace {

// glibc maps it for posix_spawn: 32 KiB, a guard, room for the arguments.
constexpr std::uint64_t spawn_stack_bytes = 64 * 1024;

struct charge {
  std::uint64_t largest = 0;
  std::uint64_t sum = 0;
  const os::mapping* which = nullptr;
};

// Without details every private mapping may be accounted, also a read-only or an inaccessible one: a page written
// before mprotect leaves the flag behind. An upper bound, then.
charge charge_of(const process_facts& facts) {
  charge result;
  for (std::size_t i = 0; i != facts.maps.mappings.size(); ++i) {
    const os::mapping& m = facts.maps.mappings[i];
    bool counted =
        facts.maps.detailed() ? facts.maps.details[i].accounted() && !facts.maps.details[i].not_inherited() : !m.shared;
    if (!counted) continue;
    result.sum += m.bytes();
    if (m.bytes() > result.largest) {
      result.largest = m.bytes();
      result.which = &m;
    }
  }
  return result;
}

std::uint64_t minus(std::uint64_t value, std::uint64_t less) { return value > less ? value - less : 0; }

std::int64_t difference(std::uint64_t limit, std::uint64_t need) {
  return static_cast<std::int64_t>(limit) - static_cast<std::int64_t>(need);
}

std::string describe(const process_facts& facts, const os::mapping* m) {
  if (m == nullptr) return "no accounted mapping";
  const std::string& name = facts.maps.name_of(*m);
  return (name.empty() ? "anonymous memory" : name) + " at " + range_text(m->start, m->end);
}

outcome compare(std::uint64_t need, std::uint64_t limit, bool fails, std::uint64_t margin) {
  std::uint64_t distance = need > limit ? need - limit : limit - need;
  if (distance <= margin) return outcome::borderline;
  return fails ? outcome::fails : outcome::works;
}

std::uint64_t share_of(std::uint64_t limit) {
  return static_cast<std::uint64_t>(static_cast<double>(limit) * borderline_share);
}

// Free pages, page cache, free swap and what slabs can give back, less what the kernel keeps: before commit
// 8c7829b04c52 of Linux 5.2. It changes from moment to moment, and so does the verdict.
std::uint64_t allowed_before_5_2(const process_facts& facts, const os::machine& machine) {
  std::uint64_t free = machine.memory_free + minus(machine.file_pages, machine.shared_memory) + machine.swap_free +
                       machine.reclaimable_slab;
  free = minus(free, machine.kept_by_kernel);
  return facts.status.capable(os::capability_sys_admin) ? free : minus(free, machine.admin_reserve);
}

void judge_heuristic(const process_facts& facts, const os::machine& machine, gate& result) {
  charge charged = charge_of(facts);
  bool old_rule = machine.kernel.known() && !machine.kernel.at_least(5, 2);
  result.what = cause::largest_mapping;
  result.needed = charged.largest;
  result.limit = old_rule ? allowed_before_5_2(facts, machine) : machine.memory + machine.swap;
  result.headroom = difference(result.limit, result.needed);
  result.where = describe(facts, charged.which);
  // The old rule's numbers move while they are read: five times the margin.
  std::uint64_t margin = share_of(result.limit) * (old_rule ? 5 : 1);
  bool fails = old_rule ? result.needed >= result.limit : result.needed > result.limit;
  // An upper bound proves only that it works.
  result.fork = compare(result.needed, result.limit, fails, margin);
  if (result.fork != outcome::works && !facts.maps.detailed()) result.fork = outcome::unknown;
  std::string rule = old_rule ? "overcommit mode 0 of kernels before 5.2 compares each mapping with what is free now"
                              : "overcommit mode 0 compares each mapping with that";
  std::string against = (old_rule ? "free + cached memory less reserves " : "RAM + swap ") + size_text(result.limit);
  if (result.fork == outcome::works) {
    result.why = "largest mapping " + size_text(result.needed) + "; " + against + " (overcommit mode 0)";
    return;
  }
  result.why = "one mapping of " + size_text(result.needed) + " (" + result.where + ") is " +
               (result.fork == outcome::borderline ? (old_rule ? "close to " : "within 1 % of ") : "larger than ") +
               against + ": " + rule;
  if (result.fork == outcome::unknown)
    result.why += ". Whether it is accounted is only in smaps, which could not be read";
  std::uint64_t missing = minus(result.needed, result.limit);
  result.cure = "sysctl -w vm.overcommit_memory=1, or add " + size_text(std::max(missing, share_of(result.limit))) +
                " of swap. In the program: map it MAP_NORESERVE, exclude it by madvise(MADV_DONTFORK), keep a gap so "
                "that mappings do not merge, or start programs by vfork or posix_spawn";
}

void judge_never(const process_facts& facts, const os::machine& machine, gate& result) {
  charge charged = charge_of(facts);
  bool admin = facts.status.capable(os::capability_sys_admin);
  std::uint64_t allowed = minus(machine.commit_limit, admin ? 0 : machine.admin_reserve);
  allowed = minus(allowed, std::min(facts.status.address_space / 32, machine.user_reserve));
  result.what = cause::commit_sum;
  result.needed = charged.sum;
  result.used = machine.committed;
  result.limit = allowed;
  result.headroom = difference(allowed, machine.committed + charged.sum);
  result.where = "vm.overcommit_memory = 2";
  // The kernel's counter is summed per processor only now and then: in mode 2 it is wrong by up to 1/256 of RAM.
  std::uint64_t margin = std::max(share_of(machine.commit_limit), machine.memory / 256);
  std::uint64_t total = machine.committed + charged.sum;
  result.fork = charged.sum == 0 ? outcome::works : compare(total, allowed, total >= allowed, margin);
  if (result.fork != outcome::works && !facts.maps.detailed()) result.fork = outcome::unknown;
  std::uint64_t with_stack = machine.committed + spawn_stack_bytes;
  result.spawn = compare(with_stack, allowed, with_stack >= allowed, margin);
  result.why = "a fork commits " + size_text(charged.sum) + " more; " + size_text(machine.committed) + " of " +
               size_text(allowed) + " are committed (overcommit mode 2: CommitLimit less user_reserve" +
               (admin ? "" : " and admin_reserve") + ")";
  if (result.fork == outcome::works) return;
  result.cure = "sysctl -w vm.overcommit_memory=0 (or 1), raise vm.overcommit_ratio, or add " +
                size_text(std::max(minus(total, allowed), margin)) +
                " of swap. In the program: exclude memory by madvise(MADV_DONTFORK), or start programs by vfork";
}

}  // namespace

gate judge_overcommit(const process_facts& facts, const os::machine& machine) {
  gate result;
  result.unit = measure::bytes;
  result.error_number = ENOMEM;
  if (machine.overcommit_mode == 2) {
    judge_never(facts, machine, result);
  } else if (machine.overcommit_mode == 0) {
    judge_heuristic(facts, machine, result);
  } else {
    result.limit = os::unlimited;
    result.headroom = INT64_MAX;
    result.where = "vm.overcommit_memory = 1";
    result.why = "overcommit mode 1 never refuses memory to a fork";
  }
  return result;
}

bool details_decide(const process_facts& facts, const os::machine& machine) {
  if (facts.maps.detailed() || facts.status.kernel_thread) return false;
  return judge_overcommit(facts, machine).fork != outcome::works ||
         judge_memory_cgroups(facts, machine).fork != outcome::works;
}

}  // namespace ramie::diagnose
