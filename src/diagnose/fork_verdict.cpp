#include "diagnose/fork_verdict.hpp"

#include "base/check.hpp"
#include "diagnose/words.hpp"

#include <algorithm>

namespace ramie::diagnose {
namespace {

// Measured on Linux 6.18, 2-core EPYC, idle: 4 GiB of small pages 88-95 ms, 60,000 mappings 22 ms untouched and 46 ms
// touched, 4 GiB of huge pages 1.1 ms, an empty process 0.04 ms. Redis on the same machine at work took 110-200 ns a
// page.
constexpr double empty_ms = 0.04;
constexpr double small_page_ns_least = 58, small_page_ns_most = 140;
constexpr double huge_page_ns = 550;
constexpr double mapping_ns_least = 400, mapping_ns_most = 800;

fork_cost estimate_cost(const process_facts& facts) {
  fork_cost cost;
  cost.mappings = facts.mapping_count();
  if (facts.maps.detailed()) {
    std::uint64_t small = 0, huge = 0;
    for (const os::mapping_detail& detail : facts.maps.details) {
      if (detail.not_inherited() || detail.flag("wf")) continue;
      huge += detail.anonymous_huge;
      small += detail.anonymous - std::min(detail.anonymous, detail.anonymous_huge) + detail.swapped;
    }
    cost.small_pages = small / 4096;
    cost.huge_pages = huge / (2 * 1024 * 1024);
  } else {
    cost.small_pages = (facts.status.resident_anonymous + facts.status.swapped) / 4096;
    cost.upper_bound = true;
  }
  double small_pages = static_cast<double>(cost.small_pages), mappings = static_cast<double>(cost.mappings);
  double huge_ms = static_cast<double>(cost.huge_pages) * huge_page_ns * 1e-6;
  cost.least_ms = empty_ms + (small_pages * small_page_ns_least + mappings * mapping_ns_least) * 1e-6 + huge_ms;
  cost.most_ms = empty_ms + (small_pages * small_page_ns_most + mappings * mapping_ns_most) * 1e-6 + huge_ms;
  return cost;
}

bool is_ring(const std::string& name) { return name.find("[io_uring]") != std::string::npos; }

void find_rings(const process_facts& facts, std::vector<hazard>& hazards) {
  std::size_t inherited = 0, unknown = 0;
  for (std::size_t i = 0; i != facts.maps.mappings.size(); ++i) {
    if (!is_ring(facts.maps.name_of(facts.maps.mappings[i]))) continue;
    if (!facts.maps.detailed())
      ++unknown;
    else if (!facts.maps.details[i].not_inherited())
      ++inherited;
  }
  if (inherited != 0) {
    hazards.push_back({"ring_inherited",
                       std::to_string(inherited) +
                           " io_uring mappings are inherited: a submission in the child lands in "
                           "the parent's queue; madvise(MADV_DONTFORK) the rings",
                       true});
  }
  if (unknown != 0)
    hazards.push_back({"ring_mapped", "it maps io_uring queues; --deep tells whether a child inherits them", false});
}

std::vector<hazard> find_hazards(const process_facts& facts) {
  std::vector<hazard> hazards;
  if (facts.status.threads > 1) {
    hazards.push_back(
        {"threads",
         "it has " + grouped(facts.status.threads) +
             " threads and the child only the one that forks: locks that others hold stay locked, so exec at once",
         false});
  }
  find_rings(facts, hazards);
  if (facts.status.pinned != 0) {
    hazards.push_back({"pinned",
                       size_text(facts.status.pinned) +
                           " are pinned (device or ring buffers): a fork copies them at once "
                           "instead of sharing; madvise(MADV_DONTFORK) the buffers",
                       true});
  }
  if (facts.status.locked != 0) {
    hazards.push_back(
        {"locked", size_text(facts.status.locked) + " are locked in RAM; the child's copy is not", false});
  }
  if (facts.status.huge_pages != 0) {
    hazards.push_back({"hugetlb",
                       size_text(facts.status.huge_pages) +
                           " are hugetlbfs pages: a child that writes to private ones is "
                           "killed (SIGBUS) when the pool is empty",
                       false});
  }
  return hazards;
}

void take_worst(outcome& into, outcome other) {
  // What is not known must not hide what is: unknown only counts when nothing worse was found.
  into = std::max(into, other);
}

}  // namespace

std::string_view word_for(outcome value) {
  switch (value) {
    case outcome::works:
      return "works";
    case outcome::unknown:
      return "unknown";
    case outcome::borderline:
      return "borderline";
    case outcome::fails:
      return "fails";
    case outcome::killed:
      return "killed";
  }
  return "unknown";
}

std::string_view code_for(cause value) {
  switch (value) {
    case cause::largest_mapping:
      return "largest_mapping";
    case cause::commit_sum:
      return "commit_sum";
    case cause::pids_cgroup:
      return "pids_cgroup";
    case cause::pids_cgroup_ancestor:
      return "pids_cgroup_ancestor";
    case cause::user_processes:
      return "user_processes";
    case cause::machine_tasks:
      return "machine_tasks";
    case cause::dead_pid_namespace:
      return "dead_pid_namespace";
    case cause::memory_cgroup:
      return "memory_cgroup";
  }
  return "unknown";
}

const gate& fork_verdict::decisive() const {
  RAMIE_CHECK(!gates.empty());
  auto tightness = [](const gate& g) {
    if (g.unit == measure::none || g.limit == os::unlimited || g.limit == 0) return 0.0;
    return static_cast<double>(g.used + g.needed) / static_cast<double>(g.limit);
  };
  return *std::max_element(gates.begin(), gates.end(), [&](const gate& a, const gate& b) {
    if (a.fork != b.fork) return a.fork < b.fork;
    return a.fork == outcome::works && tightness(a) < tightness(b);
  });
}

fork_verdict judge_fork(const process_facts& facts, const os::machine& machine) {
  fork_verdict verdict;
  verdict.gates.push_back(judge_user_processes(facts, machine));
  verdict.gates.push_back(judge_overcommit(facts, machine));
  verdict.gates.push_back(judge_memory_cgroups(facts, machine));
  verdict.gates.push_back(judge_pid_namespace(facts));
  verdict.gates.push_back(judge_machine_tasks(facts, machine));
  verdict.gates.push_back(judge_pids_cgroups(facts));
  for (const gate& g : verdict.gates) {
    take_worst(verdict.fork, g.fork);
    take_worst(verdict.vfork, g.vfork);
    if (g.spawn > verdict.spawn && g.spawn > g.vfork)
      verdict.spawn_why = "it maps a stack first, and the commit limit is reached";
    take_worst(verdict.spawn, g.spawn);
  }
  if (facts.mapping_count() > machine.max_map_count) {
    verdict.spawn = std::max(verdict.spawn, outcome::fails);
    verdict.spawn_why = "it maps a stack first, and vm.max_map_count is used up";
  }
  verdict.cost = estimate_cost(facts);
  verdict.hazards = find_hazards(facts);
  return verdict;
}

}  // namespace ramie::diagnose
