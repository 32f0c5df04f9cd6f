// The report as people read it: the answer first, numbers beside it, then what to do.
#include "diagnose/words.hpp"
#include "doctor.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace ramie::app {
namespace {

using diagnose::grouped;
using diagnose::outcome;
using diagnose::size_text;

constexpr const char* margin = "           ";  // the width of a heading

std::string amount(bool in_bytes, std::uint64_t value) {
  if (value == os::unlimited) return "unlimited";
  return in_bytes ? size_text(value) : grouped(value);
}

// The end of a path tells more than its beginning.
std::string tail_of(const std::string& name, std::size_t width) {
  return name.size() <= width ? name : "..." + name.substr(name.size() - width + 3);
}

std::string answer(const paint& colours, outcome value) {
  switch (value) {
    case outcome::works:
      return colours.good("yes");
    case outcome::unknown:
      return colours.warn("not known");
    case outcome::borderline:
      return colours.warn("borderline");
    case outcome::fails:
      return colours.bad("NO");
    case outcome::killed:
      return colours.bad("KILLED");
  }
  return {};
}

void print_head(std::FILE* to, const paint& colours, const diagnose::report& about) {
  const os::process_status& s = about.facts.status;
  fmt::print(to, "{}  pid {}, user {}, {} thread{}, {} resident, {} mapped, Linux {}\n", colours.bold(about.facts.name),
             about.facts.pid, s.real_user, grouped(s.threads), s.threads == 1 ? "" : "s", size_text(s.resident),
             size_text(s.address_space), about.machine.kernel.text);
}

void print_mappings(std::FILE* to, const paint& colours, const diagnose::report& about, bool verbose) {
  const diagnose::mapping_summary& m = about.mappings;
  std::string line = fmt::format("{} of {}  {}  {}", grouped(m.count), grouped(m.limit), bar(m.share(), 20),
                                 diagnose::percent_text(m.share()));
  fmt::print(to, "Mappings   {}\n",
             m.share() >= 0.95  ? colours.bad(line)
             : m.share() >= 0.8 ? colours.warn(line)
                                : line);
  for (const diagnose::guarded_stacks& s : m.stacks) {
    bool fibers = s.kind == diagnose::stack_kind::fibers;
    fmt::print(to, "{}{} {} stacks, two mappings each (guard {} + stack {}); ", margin, grouped(s.count),
               fibers ? "fiber" : "thread", size_text(s.guard_bytes), size_text(s.stack_bytes));
    if (s.fails_at <= s.count)
      fmt::print(to, "the next creation fails\n");
    else
      fmt::print(to, "at {} creation fails\n", grouped(s.fails_at));
    if (s.batch > 1) fmt::print(to, "{}(Ruby makes them {} at a time, or none)\n", margin, grouped(s.batch));
  }
  if (m.arenas != 0) fmt::print(to, "{}{} malloc arenas (M_ARENA_MAX bounds them)\n", margin, grouped(m.arenas));
  if (m.alike_neighbours >= 16 || (verbose && m.alike_neighbours != 0)) {
    fmt::print(to, "{}{} neighbours look alike and could have merged", margin, grouped(m.alike_neighbours));
    if (m.alike_but_flags != 0)
      fmt::print(to, "; {} are kept apart by a flag ({})", grouped(m.alike_but_flags), m.commonest_flag);
    fmt::print(to, "\n");
  }
  if (m.share() < 0.2 && !verbose) return;
  std::size_t shown = 0;
  for (const diagnose::mapping_group& g : m.groups) {
    if (shown++ == (verbose ? 20 : 4)) break;
    fmt::print(to, "{}{:>8}  {:<44} {:>10}\n", margin, grouped(g.mappings), tail_of(g.name, 44), size_text(g.bytes));
  }
}

void print_gate(std::FILE* to, const diagnose::gate& g) {
  fmt::print(to, "{}{:<10} {}\n", margin, std::string(word_for(g.fork)),
             wrapped(g.why, std::string(margin) + "           "));
}

void print_fork(std::FILE* to, const paint& colours, const diagnose::report& about, bool verbose) {
  const diagnose::fork_verdict& f = about.fork;
  const diagnose::gate& decisive = f.decisive();
  fmt::print(to, "Can fork   {}", answer(colours, f.fork));
  if (f.fork == outcome::fails)
    fmt::print(to, ", {} ({})", ::strerrorname_np(decisive.error_number), ::strerrordesc_np(decisive.error_number));
  fmt::print(to, "; vfork {}, posix_spawn {}{}\n", answer(colours, f.vfork), answer(colours, f.spawn),
             f.spawn > f.vfork ? ": " + f.spawn_why : "");
  if (verbose) {
    for (const diagnose::gate& g : f.gates) print_gate(to, g);
  } else if (f.fork == outcome::works) {
    fmt::print(to, "{}{}\n", margin, wrapped(f.gates[1].why, margin));
  } else if (f.fork == outcome::unknown) {
    fmt::print(to, "{}{}\n", margin, wrapped(decisive.why, margin));
  }
  const diagnose::fork_cost& cost = f.cost;
  if (f.fork != outcome::fails) {
    fmt::print(to, "{}a fork takes {}{} ({} pages, {} mappings to copy)\n", margin,
               diagnose::milliseconds_text(cost.least_ms, cost.most_ms),
               cost.upper_bound && cost.small_pages > 10000 ? " or less" : "",
               grouped(cost.small_pages + cost.huge_pages), grouped(cost.mappings));
  }
  for (const diagnose::hazard& h : f.hazards) {
    if (!h.warning) fmt::print(to, "{}{}\n", margin, wrapped(h.what, margin));
  }
}

void print_limits(std::FILE* to, const paint& colours, const diagnose::report& about, const doctor_options& options) {
  const char* heading = "Limits     ";
  unsigned far = 0;
  for (const diagnose::nearby_limit& limit : about.limits) {
    if (limit.code == "mappings") continue;
    if (!options.verbose && limit.share() < 0.2) {
      ++far;
      continue;
    }
    std::string line = fmt::format("{:<18} {:>10} of {:>10}  {:>6}  {}", limit.name, amount(limit.in_bytes, limit.used),
                                   amount(limit.in_bytes, limit.limit),
                                   limit.limited() ? diagnose::percent_text(limit.share()) : "", limit.where);
    fmt::print(to, "{}{}\n", heading,
               limit.code != "stack" && limit.share() >= options.threshold_percent / 100 ? colours.warn(line) : line);
    heading = margin;
  }
  if (far != 0)
    fmt::print(to, "{}{}{} limits are far away (-v lists them)\n", heading, heading == margin ? "the other " : "all ",
               far);
  if (options.verbose && !about.machine.huge_pages.empty()) {
    fmt::print(to, "{}transparent huge pages: {}\n", margin, about.machine.huge_pages);
  }
}

void print_findings(std::FILE* to, const paint& colours, const diagnose::report& about) {
  if (about.findings.empty()) {
    fmt::print(to, "{}\n", colours.good("Nothing to do."));
    return;
  }
  for (const diagnose::finding& f : about.findings) {
    bool failing = f.level == diagnose::severity::failing;
    fmt::print(to, "{} {}\n", failing ? colours.bad("FAILS     ") : colours.warn("WATCH OUT "),
               wrapped(f.what, margin));
    if (!f.cure.empty()) fmt::print(to, "{}{} {}\n", margin, colours.bold("do:"), wrapped(f.cure, margin));
  }
}

constexpr std::size_t survey_rows = 12;

bool gone(int error) { return error == ENOENT || error == ESRCH; }

}  // namespace

paint::paint(std::FILE* to) : on_(isatty(fileno(to)) != 0 && std::getenv("NO_COLOR") == nullptr) {}

std::string paint::wrap(const char* code, const std::string& text) const {
  return on_ ? fmt::format("\033[{}m{}\033[0m", code, text) : text;
}

std::string bar(double share, unsigned width) {
  auto filled = static_cast<unsigned>(std::lround(std::clamp(share, 0.0, 1.0) * width));
  return std::string(filled, '#') + std::string(width - filled, '.');
}

std::string wrapped(const std::string& text, const std::string& indent, std::size_t width) {
  std::string result;
  std::size_t column = indent.size();
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.find(' ', at), text.size());
    std::size_t length = end - at;
    if (column + length > width && column > indent.size()) {
      if (!result.empty() && result.back() == ' ') result.pop_back();
      result += "\n" + indent;
      column = indent.size();
    }
    result.append(text, at, length);
    column += length + 1;
    if (end < text.size()) result += ' ';
    at = end + 1;
  }
  return result;
}

void print_report(std::FILE* to, const diagnose::report& about, const doctor_options& options) {
  paint colours(to);
  print_head(to, colours, about);
  print_mappings(to, colours, about, options.verbose);
  print_fork(to, colours, about, options.verbose);
  print_limits(to, colours, about, options);
  if (about.details_missing) fmt::print(to, "{}smaps is closed to us: run as root for a sure verdict\n", margin);
  print_findings(to, colours, about);
}

void print_unreadable(std::FILE* to, const diagnose::report& about) {
  const diagnose::process_facts& facts = about.facts;
  if (gone(facts.error)) {
    fmt::print(to, "ramie doctor: there is no process {} (any more)\n", facts.pid);
  } else {
    fmt::print(to, "ramie doctor: process {}{}{}{}: {} cannot be read: {}. Run as its user or as root\n", facts.pid,
               facts.name.empty() ? "" : " (", facts.name, facts.name.empty() ? "" : ")", facts.refused,
               std::strerror(facts.error));
  }
}

void print_survey(std::FILE* to, const std::vector<diagnose::report>& all, bool whole) {
  paint colours(to);
  std::vector<const diagnose::report*> order;
  order.reserve(all.size());
  for (const diagnose::report& about : all) order.push_back(&about);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    if (a->findings.size() != b->findings.size()) return a->findings.size() > b->findings.size();
    return a->mappings.count > b->mappings.count;
  });
  fmt::print(to, "{:>8}  {:<16} {:>9} {:>6}  {:<11} {:>12}  {}\n", "pid", "name", "mappings", "", "can fork",
             "a fork takes", "finding");
  std::size_t shown = 0;
  for (const diagnose::report* about : order) {
    if (!whole && about->findings.empty() && shown >= survey_rows) break;
    ++shown;
    const diagnose::outcome value = about->fork.fork;
    std::string verdict = fmt::format("{:<11}", value == outcome::works ? "yes" : std::string(word_for(value)));
    std::string cost = diagnose::milliseconds_text(about->fork.cost.least_ms, about->fork.cost.most_ms);
    fmt::print(to, "{:>8}  {:<16} {:>9} {:>6}  {} {:>12}  {}\n", about->facts.pid, about->facts.name,
               grouped(about->mappings.count), diagnose::percent_text(about->mappings.share()),
               value == outcome::works ? verdict : colours.bad(verdict), cost,
               about->findings.empty() ? "" : colours.warn(about->findings.front().code));
  }
  std::size_t with = std::count_if(all.begin(), all.end(), [](const auto& about) { return !about.findings.empty(); });
  if (shown != all.size()) fmt::print(to, "{:>8}  {} more, all fine (-v lists them)\n", "", all.size() - shown);
  fmt::print(to, "{} processes, {} with findings{}\n", all.size(), with,
             with == 0 ? "" : ": ramie doctor PID says what to do");
}

}  // namespace ramie::app
