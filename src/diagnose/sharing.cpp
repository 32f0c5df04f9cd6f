#include "diagnose/sharing.hpp"

#include "diagnose/words.hpp"

#include <algorithm>
#include <cerrno>
#include <map>

namespace ramie::diagnose {
namespace {

struct part {
  std::uint64_t start, end;
};

// Writable private mappings of the first process: a child has them at the same addresses.
std::vector<part> inheritable(const os::mapping_list& list) {
  std::vector<part> parts;
  for (const os::mapping& m : list.mappings) {
    if (!m.shared) parts.push_back({m.start, m.end});
  }
  return parts;
}

bool overlaps(const std::vector<part>& parts, const os::mapping& m) {
  auto next =
      std::upper_bound(parts.begin(), parts.end(), m.start, [](std::uint64_t at, const part& p) { return at < p.end; });
  return next != parts.end() && next->start < m.end;
}

std::string describe(const os::mapping_list& list, const os::mapping& m) {
  const std::string& name = list.name_of(m);
  return (name.empty() ? "anonymous memory" : name) + " " + range_text(m.start, m.end);
}

process_sharing summarize(const os::mapping_list& list, const std::vector<part>* inherited) {
  process_sharing result;
  for (std::size_t i = 0; i != list.mappings.size(); ++i) {
    const os::mapping& m = list.mappings[i];
    const os::mapping_detail& detail = list.details[i];
    std::uint64_t shared = detail.shared_clean + detail.shared_dirty;
    result.resident += detail.resident;
    result.proportional += detail.proportional;
    result.shared += shared;
    result.private_clean += detail.private_clean;
    result.private_dirty += detail.private_dirty;
    result.anonymous += detail.anonymous;
    bool broken = inherited == nullptr || overlaps(*inherited, m);
    if (inherited != nullptr && broken) result.broken += detail.private_dirty;
    if (detail.private_dirty != 0 && broken) {
      result.breakers.push_back({describe(list, m), m.bytes(), detail.resident, shared, detail.private_dirty});
    }
  }
  std::stable_sort(result.breakers.begin(), result.breakers.end(),
                   [](const auto& a, const auto& b) { return a.private_dirty > b.private_dirty; });
  return result;
}

}  // namespace

std::vector<process_sharing> read_sharing(const os::proc_root& root, const std::vector<int>& family) {
  std::vector<process_sharing> rows;
  std::vector<part> inherited;
  for (int pid : family) {
    os::file_text status_text = os::read_text(root.of_process(pid, "status"));
    os::process_status status = os::parse_status(status_text.text);
    os::mapping_list list = os::read_smaps(root, pid);
    bool first = rows.empty();
    process_sharing row = summarize(list, first ? nullptr : &inherited);
    if (first) inherited = inheritable(list);
    row.pid = pid;
    row.parent = status.parent;
    row.name = status.name;
    row.error = status_text.error != 0 ? status_text.error : list.error;
    if (row.error == 0 && list.mappings.empty()) row.error = ESRCH;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<int> find_family(const os::proc_root& root, int pid) {
  std::multimap<int, int> children;
  for (int other : os::list_processes(root)) {
    os::file_text status = os::read_text(root.of_process(other, "status"));
    if (status) children.emplace(os::parse_status(status.text).parent, other);
  }
  std::vector<int> family{pid};
  for (std::size_t at = 0; at < family.size(); ++at) {
    auto [first, last] = children.equal_range(family[at]);
    for (; first != last; ++first) family.push_back(first->second);
  }
  std::sort(family.begin() + 1, family.end());
  return family;
}

}  // namespace ramie::diagnose
