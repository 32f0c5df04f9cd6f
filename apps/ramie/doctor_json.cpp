// The report as JSON, as docs/doctor.schema.json describes it. An unlimited value is null.
#include "doctor.hpp"

#include <cerrno>
#include <nlohmann/json.hpp>

namespace ramie::app {
namespace {

using nlohmann::ordered_json;

ordered_json or_null(std::uint64_t value) {
  return value == os::unlimited ? ordered_json(nullptr) : ordered_json(value);
}

std::string status_word(const diagnose::report& about) {
  int error = about.facts.error;
  if (error == ENOENT || error == ESRCH) return "gone";
  if (error != 0) return "not_permitted";
  return about.findings.empty() ? "fine" : "finding";
}

ordered_json mappings_json(const diagnose::mapping_summary& m) {
  ordered_json groups = ordered_json::array(), stacks = ordered_json::array();
  for (const diagnose::mapping_group& g : m.groups) {
    if (groups.size() == 50) break;
    groups.push_back({{"name", g.name}, {"mappings", g.mappings}, {"bytes", g.bytes}});
  }
  for (const diagnose::guarded_stacks& s : m.stacks) {
    stacks.push_back({{"kind", s.kind == diagnose::stack_kind::fibers ? "fibers" : "threads"},
                      {"count", s.count},
                      {"stack_bytes", s.stack_bytes},
                      {"guard_bytes", s.guard_bytes},
                      {"batch", s.batch},
                      {"fails_at", s.fails_at}});
  }
  return {{"count", m.count},
          {"limit", m.limit},
          {"headroom", m.headroom},
          {"bytes", m.bytes},
          {"groups", std::move(groups)},
          {"stacks", std::move(stacks)},
          {"malloc_arenas", m.arenas},
          {"alike_neighbours", m.alike_neighbours},
          {"alike_but_flags", m.alike_but_flags}};
}

ordered_json gate_json(const diagnose::gate& g) {
  static constexpr const char* units[] = {"none", "bytes", "tasks"};
  bool bounded = g.limit != os::unlimited && g.unit != diagnose::measure::none;
  return {{"cause", code_for(g.what)},
          {"fork", word_for(g.fork)},
          {"vfork", word_for(g.vfork)},
          {"posix_spawn", word_for(g.spawn)},
          {"errno", g.fork == diagnose::outcome::fails ? ordered_json(::strerrorname_np(g.error_number))
                                                       : ordered_json(nullptr)},
          {"unit", units[static_cast<unsigned>(g.unit)]},
          {"needed", g.needed},
          {"used", g.used},
          {"limit", bounded ? ordered_json(g.limit) : ordered_json(nullptr)},
          {"headroom", bounded ? ordered_json(g.headroom) : ordered_json(nullptr)},
          {"where", g.where},
          {"why", g.why},
          {"cure", g.cure}};
}

ordered_json fork_json(const diagnose::fork_verdict& f) {
  ordered_json gates = ordered_json::array(), hazards = ordered_json::array();
  for (const diagnose::gate& g : f.gates) gates.push_back(gate_json(g));
  for (const diagnose::hazard& h : f.hazards)
    hazards.push_back({{"code", h.code}, {"what", h.what}, {"warning", h.warning}});
  return {{"fork", word_for(f.fork)},
          {"vfork", word_for(f.vfork)},
          {"posix_spawn", word_for(f.spawn)},
          {"decisive", code_for(f.decisive().what)},
          {"gates", std::move(gates)},
          {"cost",
           {{"least_ms", f.cost.least_ms},
            {"most_ms", f.cost.most_ms},
            {"small_pages", f.cost.small_pages},
            {"huge_pages", f.cost.huge_pages},
            {"mappings", f.cost.mappings},
            {"upper_bound", f.cost.upper_bound}}},
          {"hazards", std::move(hazards)}};
}

ordered_json limits_json(const std::vector<diagnose::nearby_limit>& limits) {
  ordered_json list = ordered_json::array();
  for (const diagnose::nearby_limit& limit : limits) {
    list.push_back({{"code", limit.code},
                    {"unit", limit.in_bytes ? "bytes" : "count"},
                    {"used", limit.used},
                    {"limit", or_null(limit.limit)},
                    {"where", limit.where}});
  }
  return list;
}

ordered_json findings_json(const std::vector<diagnose::finding>& findings) {
  ordered_json list = ordered_json::array();
  for (const diagnose::finding& f : findings) {
    list.push_back({{"level", f.level == diagnose::severity::failing ? "failing" : "warning"},
                    {"code", f.code},
                    {"what", f.what},
                    {"cure", f.cure}});
  }
  return list;
}

// Names of processes and files may hold any byte; what is no UTF-8 is replaced rather than refused.
std::string text_of(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace

std::string report_json(const diagnose::report& about) {
  const os::process_status& s = about.facts.status;
  ordered_json all{{"schema", 1},
                   {"status", status_word(about)},
                   {"process",
                    {{"pid", about.facts.pid},
                     {"name", about.facts.name},
                     {"executable", about.facts.executable},
                     {"user", s.real_user},
                     {"threads", s.threads},
                     {"resident_bytes", s.resident},
                     {"address_space_bytes", s.address_space},
                     {"page_table_bytes", s.page_tables}}}};
  if (!about.readable()) {
    all["refused"] = {{"file", about.facts.refused}, {"errno", ::strerrorname_np(about.facts.error)}};
    return text_of(all);
  }
  const os::machine& m = about.machine;
  all["machine"] = {{"kernel", m.kernel.text},
                    {"memory_bytes", m.memory},
                    {"swap_bytes", m.swap},
                    {"overcommit_mode", m.overcommit_mode},
                    {"committed_bytes", m.committed},
                    {"commit_limit_bytes", m.commit_limit},
                    {"transparent_huge_pages", m.huge_pages}};
  all["mappings"] = mappings_json(about.mappings);
  all["fork"] = fork_json(about.fork);
  all["limits"] = limits_json(about.limits);
  all["findings"] = findings_json(about.findings);
  return text_of(all);
}

std::string sharing_json(const std::vector<diagnose::process_sharing>& family) {
  ordered_json list = ordered_json::array();
  for (const diagnose::process_sharing& row : family) {
    ordered_json breakers = ordered_json::array();
    for (const diagnose::sharing_row& b : row.breakers) {
      if (breakers.size() == 20) break;
      breakers.push_back({{"mapping", b.mapping},
                          {"bytes", b.bytes},
                          {"resident_bytes", b.resident},
                          {"shared_bytes", b.shared},
                          {"private_dirty_bytes", b.private_dirty}});
    }
    list.push_back({{"pid", row.pid},
                    {"parent", row.parent},
                    {"name", row.name},
                    {"errno", row.error},
                    {"resident_bytes", row.resident},
                    {"proportional_bytes", row.proportional},
                    {"shared_bytes", row.shared},
                    {"private_clean_bytes", row.private_clean},
                    {"private_dirty_bytes", row.private_dirty},
                    {"broken_sharing_bytes", row.broken},
                    {"breakers", std::move(breakers)}});
  }
  return text_of({{"schema", 1}, {"family", std::move(list)}});
}

}  // namespace ramie::app
