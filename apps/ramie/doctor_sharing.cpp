// `--cow`: the family as a table, then where sharing was broken.
#include "diagnose/words.hpp"
#include "doctor.hpp"

#include <fmt/core.h>

#include <cstring>

namespace ramie::app {

using diagnose::size_text;

void print_sharing(std::FILE* to, const std::vector<diagnose::process_sharing>& family) {
  paint colours(to);
  fmt::print(to, "{:>8}  {:<16} {:>10} {:>10} {:>10} {:>13} {:>15}  {}\n", "pid", "name", "resident", "Pss", "shared",
             "private dirty", "broken sharing", "shared");
  std::uint64_t total = 0, broken = 0;
  for (const diagnose::process_sharing& row : family) {
    if (row.error != 0) {
      fmt::print(to, "{:>8}  {:<16} {}\n", row.pid, row.name, std::strerror(row.error));
      continue;
    }
    bool first = &row == &family.front();
    fmt::print(to, "{:>8}  {:<16} {:>10} {:>10} {:>10} {:>13} {:>15}  {} {}\n", row.pid, row.name,
               size_text(row.resident), size_text(row.proportional), size_text(row.shared),
               size_text(row.private_dirty), first ? "" : size_text(row.broken), bar(row.shared_share(), 10),
               diagnose::percent_text(row.shared_share()));
    total += row.proportional;
    broken += row.broken;
  }
  fmt::print(to, "{:>8}  {:<16} {:>10} {:>10} {:>10} {:>13} {:>15}\n", "", "together", "", size_text(total), "", "",
             size_text(broken));
  for (const diagnose::process_sharing& row : family) {
    if (&row == &family.front() || row.breakers.empty()) continue;
    fmt::print(to, "\n{} ({}) broke sharing in\n", colours.bold(row.name), row.pid);
    std::size_t shown = 0;
    for (const diagnose::sharing_row& b : row.breakers) {
      if (shown++ == 5 || b.private_dirty < 65536) break;
      fmt::print(to, "  {:>10} of {:>10}  {}\n", size_text(b.private_dirty), size_text(b.resident), b.mapping);
    }
    if (row.breakers.size() > shown) fmt::print(to, "  and a little in {} more\n", row.breakers.size() - shown);
  }
}

}  // namespace ramie::app
