#include "diagnose/report.hpp"

#include "diagnose/words.hpp"

#include <algorithm>

namespace ramie::diagnose {
namespace {

std::string amount(const nearby_limit& limit, std::uint64_t value) {
  return limit.in_bytes ? size_text(value) : grouped(value);
}

void find_mappings(const report& about, const examine_options& options, std::vector<finding>& into) {
  const mapping_summary& m = about.mappings;
  if (m.share() < options.threshold) return;
  finding found;
  found.code = "mappings";
  bool stacks_fail = !m.stacks.empty() && m.stacks.front().fails_at <= m.stacks.front().count;
  found.level = m.headroom < 2 || stacks_fail ? severity::failing : severity::warning;
  found.what =
      grouped(m.count) + " of " + grouped(m.limit) + " mappings (vm.max_map_count); " + grouped(m.headroom) + " left";
  if (!m.stacks.empty() && m.stacks.front().count * 2 >= m.count / 2) {
    const guarded_stacks& s = m.stacks.front();
    found.what += ". " + grouped(s.count) + (s.kind == stack_kind::fibers ? " fiber stacks" : " thread stacks") +
                  " take two each (an mprotect guard splits a mapping): ";
    found.what += stacks_fail ? "the next creation fails" : "creation fails at " + grouped(s.fails_at);
    if (s.batch > 1) found.what += " (they are made " + grouped(s.batch) + " at a time)";
    found.what += ", with \"Cannot allocate memory\" whatever memory is free";
  } else if (!m.groups.empty()) {
    found.what += ". Most are " + m.groups.front().name + " (" + grouped(m.groups.front().mappings) +
                  "); the next mmap, mprotect or thread fails with \"Cannot allocate memory\"";
  }
  found.cure = "sysctl -w vm.max_map_count=" + std::to_string(m.limit * 4) + "  (lasting: a file in /etc/sysctl.d)";
  into.push_back(std::move(found));
}

void find_fork(const report& about, std::vector<finding>& into) {
  for (const gate& g : about.fork.gates) {
    if (g.fork == outcome::works || g.fork == outcome::unknown) {
      if (g.spawn <= outcome::unknown || g.spawn <= g.vfork) continue;
    }
    finding found;
    found.code = "fork." + std::string(code_for(g.what));
    found.level = g.fork == outcome::borderline ? severity::warning : severity::failing;
    found.what = g.why;
    found.cure = g.cure;
    into.push_back(std::move(found));
  }
  for (const hazard& h : about.fork.hazards) {
    if (h.warning) into.push_back({severity::warning, "hazard." + h.code, h.what, ""});
  }
}

void find_limits(const report& about, const examine_options& options, std::vector<finding>& into) {
  for (const nearby_limit& limit : about.limits) {
    // A main stack never shrinks, and Ruby reserves all of its own at once: being large is no sign of trouble.
    bool told = limit.code == "mappings" || limit.code == "stack" ||
                std::any_of(into.begin(), into.end(), [&](const finding& f) {
                  return (limit.code == "cgroup_pids" && f.code.find("pids_cgroup") != std::string::npos) ||
                         (limit.code == "user_tasks" && f.code == "fork.user_processes") ||
                         (limit.code == "machine_tasks" && f.code == "fork.machine_tasks") ||
                         (limit.code == "cgroup_memory" && f.code == "fork.memory_cgroup");
                });
    if (told || limit.share() < options.threshold) continue;
    finding found;
    found.code = "limit." + limit.code;
    found.level = limit.used >= limit.limit ? severity::failing : severity::warning;
    found.what =
        limit.name + ": " + amount(limit, limit.used) + " of " + amount(limit, limit.limit) + " (" + limit.where + ")";
    found.cure = limit.cure;
    into.push_back(std::move(found));
  }
}

}  // namespace

void conclude(report& about, const examine_options& options) {
  about.mappings = summarize_mappings(about.facts, about.machine.max_map_count);
  about.fork = judge_fork(about.facts, about.machine);
  about.limits = list_limits(about.facts, about.machine);
  about.findings.clear();
  find_mappings(about, options, about.findings);
  find_fork(about, about.findings);
  find_limits(about, options, about.findings);
  std::stable_sort(about.findings.begin(), about.findings.end(),
                   [](const finding& a, const finding& b) { return a.level > b.level; });
}

report examine(const os::proc_root& root, const os::machine& machine, int pid, const examine_options& options) {
  report about;
  about.machine = machine;
  about.facts = read_process(root, machine, pid);
  if (!about.readable()) return about;
  if (options.deep || details_decide(about.facts, machine)) about.details_missing = !read_details(root, about.facts);
  if (!about.readable()) return about;
  conclude(about, options);
  return about;
}

}  // namespace ramie::diagnose
