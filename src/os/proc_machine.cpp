#include "os/proc_machine.hpp"

#include <algorithm>

namespace ramie::os {
namespace {

std::uint64_t system_value(const proc_root& root, std::string_view name, std::uint64_t fallback) {
  file_text text = read_text(root.of_machine("sys/" + std::string(name)));
  return text ? number_in(text.text, fallback) : fallback;
}

// "always [madvise] never"
std::string chosen_word(std::string_view text) {
  std::size_t open = text.find('[');
  std::size_t close = text.find(']');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return {};
  return std::string(text.substr(open + 1, close - open - 1));
}

// "0.10 0.20 0.30 2/345 6789": the 345.
std::uint64_t tasks_in(std::string_view loadavg) {
  std::size_t slash = loadavg.find('/');
  return slash == std::string_view::npos ? 0 : number_in(loadavg.substr(slash + 1));
}

void read_memory(const proc_root& root, machine& result) {
  file_text meminfo = read_text(root.of_machine("meminfo"));
  auto kilobytes = [&](std::string_view key) { return number_in(value_of(meminfo.text, key)) * 1024; };
  result.memory = kilobytes("MemTotal");
  result.memory_free = kilobytes("MemFree");
  result.memory_available = kilobytes("MemAvailable");
  result.file_pages = kilobytes("Cached") + kilobytes("Buffers") + kilobytes("SwapCached");
  result.shared_memory = kilobytes("Shmem");
  result.reclaimable_slab = kilobytes("SReclaimable");
  result.swap = kilobytes("SwapTotal");
  result.swap_free = kilobytes("SwapFree");
  result.commit_limit = kilobytes("CommitLimit");
  result.committed = kilobytes("Committed_AS");
}

}  // namespace

kernel_version parse_kernel_version(std::string_view release) {
  kernel_version version;
  version.text = release.substr(0, release.find('\n'));
  version.major = static_cast<unsigned>(number_in(release));
  std::size_t dot = release.find('.');
  if (dot != std::string_view::npos) version.minor = static_cast<unsigned>(number_in(release.substr(dot + 1)));
  return version;
}

// Per zone min(managed, largest protection + high), as calculate_totalreserve_pages() in the kernel's mm/page_alloc.c.
std::uint64_t parse_kept_by_kernel(std::string_view zoneinfo, std::uint64_t page_bytes) {
  std::uint64_t kept = 0, high = 0, managed = 0;
  while (!zoneinfo.empty()) {
    std::size_t end = std::min(zoneinfo.find('\n'), zoneinfo.size());
    std::string_view line = zoneinfo.substr(0, end);
    zoneinfo.remove_prefix(std::min(end + 1, zoneinfo.size()));
    std::size_t first = line.find_first_not_of(' ');
    if (first == std::string_view::npos) continue;
    line.remove_prefix(first);
    if (line.substr(0, 5) == "high " && high == 0) high = number_in(line.substr(5));
    if (line.substr(0, 8) == "managed ") managed = number_in(line.substr(8));
    if (line.substr(0, 12) == "protection: ") {
      std::uint64_t largest = 0;
      for (std::size_t at = line.find('('); at != std::string_view::npos; at = line.find(',', at + 1)) {
        largest = std::max(largest, number_in(line.substr(at + 1)));
      }
      kept += std::min(managed, largest + high);
      high = managed = 0;
    }
    if (line.substr(0, 5) == "Node ") high = managed = 0;
  }
  return kept * page_bytes;
}

machine read_machine(const proc_root& root) {
  machine result;
  result.kernel = parse_kernel_version(read_text(root.of_machine("sys/kernel/osrelease")).text);
  read_memory(root, result);
  result.overcommit_mode = static_cast<int>(system_value(root, "vm/overcommit_memory", 0));
  result.admin_reserve = system_value(root, "vm/admin_reserve_kbytes", 0) * 1024;
  result.user_reserve = system_value(root, "vm/user_reserve_kbytes", 0) * 1024;
  result.max_map_count = system_value(root, "vm/max_map_count", 65530);
  result.threads_max = system_value(root, "kernel/threads-max", 0);
  result.pid_max = system_value(root, "kernel/pid_max", 0);
  result.tasks = tasks_in(read_text(root.of_machine("loadavg")).text);
  result.huge_pages = chosen_word(read_text(root.sysfs + "/kernel/mm/transparent_hugepage/enabled").text);
  // Only the rule of kernels before 5.2 needs it.
  if (result.kernel.known() && !result.kernel.at_least(5, 2)) {
    result.kept_by_kernel = parse_kept_by_kernel(read_text(root.of_machine("zoneinfo")).text, result.page_bytes);
  }
  return result;
}

}  // namespace ramie::os
