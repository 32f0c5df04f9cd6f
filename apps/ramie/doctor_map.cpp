// `--map`: the address space as a picture, one row per stretch of neighbouring mappings, from low to high addresses.
#include "diagnose/words.hpp"
#include "doctor.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace ramie::app {
namespace {

constexpr unsigned cells = 56;
constexpr std::uint64_t stretch_gap = 64 * 1024 * 1024;
constexpr std::size_t most_rows = 40;

struct stretch {
  std::size_t first, last;  // indices, inclusive
  std::uint64_t start, end;
};

char letter(const os::mapping_list& list, std::size_t i) {
  const os::mapping& m = list.mappings[i];
  const std::string& name = list.name_of(m);
  if (!m.accessible()) return '.';
  if (name.starts_with("[stack")) return 'S';
  if (name == "[heap]") return 'h';
  if (m.executable) return 'x';
  if (m.shared) return 's';
  if (m.has_file) return m.writable ? 'd' : 'f';
  return m.writable ? 'w' : 'r';
}

std::vector<stretch> find_stretches(const os::mapping_list& list) {
  std::vector<stretch> rows;
  for (std::size_t i = 0; i != list.mappings.size(); ++i) {
    const os::mapping& m = list.mappings[i];
    if (list.name_of(m) == "[vsyscall]") continue;
    if (!rows.empty() && m.start - rows.back().end < stretch_gap) {
      rows.back().last = i;
      rows.back().end = m.end;
    } else {
      rows.push_back({i, i, m.start, m.end});
    }
  }
  return rows;
}

// Each cell shows what most of its addresses are; guards among stacks show as an alternation only when they are large.
std::string draw(const os::mapping_list& list, const stretch& row) {
  std::string picture(cells, ' ');
  double per_cell = static_cast<double>(row.end - row.start) / cells;
  std::size_t i = row.first;
  for (unsigned cell = 0; cell != cells; ++cell) {
    auto from = row.start + static_cast<std::uint64_t>(per_cell * cell);
    auto to = row.start + static_cast<std::uint64_t>(per_cell * (cell + 1));
    while (i < row.last && list.mappings[i].end <= from) ++i;
    std::array<std::uint64_t, 128> covered{};
    std::uint64_t most = 0;
    for (std::size_t at = i; at <= row.last && list.mappings[at].start < std::max(to, from + 1); ++at) {
      const os::mapping& m = list.mappings[at];
      std::uint64_t part = std::min(m.end, std::max(to, from + 1)) - std::max(m.start, from);
      std::uint64_t& sum = covered[static_cast<unsigned char>(letter(list, at))];
      if ((sum += part) > most) {
        most = sum;
        picture[cell] = letter(list, at);
      }
    }
  }
  return picture;
}

}  // namespace

void print_map(std::FILE* to, const diagnose::process_facts& facts) {
  const os::mapping_list& list = facts.maps;
  std::vector<stretch> rows = find_stretches(list);
  fmt::print(to, "\n{:>14}  {:>9} {:>8}  one row per stretch without a gap of 64 MiB, each scaled to its size\n",
             "from", "size", "mappings");
  std::size_t shown = 0;
  std::uint64_t before = 0;
  for (const stretch& row : rows) {
    if (shown++ == most_rows) {
      fmt::print(to, "{:>14}  {} more stretches\n", "", rows.size() - most_rows);
      break;
    }
    if (before != 0) fmt::print(to, "{:>14}  {:>9} {:>8}   free\n", "", diagnose::size_text(row.start - before), "");
    before = row.end;
    fmt::print(to, "{:>14x}  {:>9} {:>8}  |{}|\n", row.start, diagnose::size_text(row.end - row.start),
               diagnose::grouped(row.last - row.first + 1), draw(list, row));
  }
  fmt::print(to, "  x code  f file  d file data  w writable  r read-only  h heap  s shared  S stack  . no access\n");
}

}  // namespace ramie::app
