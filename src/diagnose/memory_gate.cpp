// The memory cgroup: page tables are charged to it while dup_mmap() copies them, and a charge for page tables that does
// not fit does not fail: the kernel reclaims, then kills a process of the group, usually the one that forks.
#include "diagnose/fork_gate.hpp"
#include "diagnose/words.hpp"

#include <algorithm>

namespace ramie::diagnose {
namespace {

constexpr std::uint64_t table_bytes = 4096;             // one page of page-table entries ...
constexpr std::uint64_t table_reach = 2 * 1024 * 1024;  // ... covers this much address space
// vm_area_struct, its lock, the anon_vma and its chain, its share of a maple-tree node.
constexpr std::uint64_t mapping_bytes = 512;
constexpr std::uint64_t task_bytes = 64 * 1024;  // task_struct, kernel stack, mm, files, signals, top page tables

}  // namespace

std::uint64_t copied_page_table_bytes(const process_facts& facts) {
  std::uint64_t tables = 0;
  std::uint64_t counted_to = 0;  // tables below this address are counted: neighbours share one
  for (std::size_t i = 0; i != facts.maps.mappings.size(); ++i) {
    const os::mapping& m = facts.maps.mappings[i];
    std::uint64_t most = UINT64_MAX;
    if (facts.maps.detailed()) {
      const os::mapping_detail& detail = facts.maps.details[i];
      bool guarded = detail.flag("gu");
      if (detail.not_inherited() || detail.flag("wf") || (detail.anonymous + detail.swapped == 0 && !guarded)) continue;
      if (!guarded) most = (detail.anonymous + detail.swapped + 4095) / 4096;
    } else if (m.shared) {
      continue;
    }
    std::uint64_t first = std::max(m.start / table_reach, counted_to);
    std::uint64_t last = (m.end - 1) / table_reach;
    if (m.end == m.start || last < first) continue;
    tables += std::min(last - first + 1, most);
    counted_to = last + 1;
  }
  return std::min(tables * table_bytes, facts.status.page_tables);
}

gate judge_memory_cgroups(const process_facts& facts, const os::machine& machine) {
  gate result;
  result.what = cause::memory_cgroup;
  result.unit = measure::bytes;
  result.needed = copied_page_table_bytes(facts) + facts.mapping_count() * mapping_bytes + task_bytes;
  result.limit = os::unlimited;
  result.headroom = INT64_MAX;
  result.why = "a fork copies about " + size_text(result.needed) + " of page tables and mappings";
  if (facts.memory_cgroups.version == 0) return result;
  for (const os::cgroup_level& level : facts.memory_cgroups.levels) {
    if (!level.limited()) continue;
    std::uint64_t room = level.limit > level.used ? level.limit - level.used : 0;
    std::int64_t left = static_cast<std::int64_t>(room) - static_cast<std::int64_t>(result.needed);
    if (left >= result.headroom) continue;
    result.used = level.used;
    result.limit = level.limit;
    result.headroom = left;
    result.where = level.directory + "/" + level.limit_file;
    result.fork = outcome::works;
    // A quarter for what the estimate does not know, and 1 MiB for charges that are batched per processor.
    std::uint64_t margin = result.needed / 4 + 1024 * 1024;
    bool fits_after_reclaim = result.needed + margin <= room + level.reclaimable;
    if (result.needed > margin + room + level.reclaimable)
      result.fork = outcome::killed;
    else if (!fits_after_reclaim)
      result.fork = outcome::borderline;
    if (result.fork == outcome::killed && machine.swap_free > result.needed) result.fork = outcome::borderline;
    result.why = "a fork copies about " + size_text(result.needed) + " of page tables and mappings; " +
                 size_text(room) + " of " + size_text(level.limit) + " are left in the memory cgroup " + level.path;
    if (level.reclaimable != 0) result.why += " (" + size_text(level.reclaimable) + " more can be reclaimed)";
  }
  if (facts.memory_cgroups.cut_off) result.why += "; the groups above are not visible from here";
  if (result.fork == outcome::works) return result;
  // Without details the need is an upper bound: it cannot prove a kill.
  if (result.fork == outcome::killed && !facts.maps.detailed()) result.fork = outcome::borderline;
  result.why += ". The kernel does not refuse this, it kills";
  result.cure =
      "raise " + result.where + " by " + size_text(result.needed) +
      " or more, use huge pages or denser stacks, exclude memory by madvise(MADV_DONTFORK), or start programs "
      "by vfork or posix_spawn";
  return result;
}

}  // namespace ramie::diagnose
