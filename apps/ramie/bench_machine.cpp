#include "bench_machine.hpp"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>
#include <thread>

namespace ramie::app {
namespace {

constexpr std::uint64_t kibibyte = 1024;

std::string first_line(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

std::uint64_t first_number(const std::string& file, std::uint64_t otherwise) {
  std::ifstream in(file);
  std::uint64_t number = 0;
  return in >> number ? number : otherwise;
}

// The rest of the line that begins with `key`, after its colon and blanks.
std::string field(const char* file, std::string_view key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    const std::size_t colon = line.find(':');
    const std::size_t value = colon == std::string::npos ? colon : line.find_first_not_of(" \t", colon + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

std::uint64_t field_bytes(const char* file, std::string_view key) {
  std::istringstream in(field(file, key));
  std::uint64_t kib = 0;
  in >> kib;
  return kib * kibibyte;
}

// "always [madvise] never" -> "madvise"
std::string chosen_word(const std::string& line) {
  const std::size_t open = line.find('['), close = line.find(']');
  return open == std::string::npos || close == std::string::npos ? line : line.substr(open + 1, close - open - 1);
}

// What the memory cgroup of this process leaves, as far as one is mounted where it usually is.
std::uint64_t cgroup_leaves_bytes() {
  std::ifstream in("/proc/self/cgroup");
  std::uint64_t least = ~std::uint64_t{0};
  for (std::string line; std::getline(in, line);) {
    const std::size_t second = line.find(':', line.find(':') + 1);
    if (second == std::string::npos) continue;
    const bool unified = line.rfind("0::", 0) == 0;
    if (!unified && line.find(":memory:") == std::string::npos) continue;
    std::string path = (unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory") + line.substr(second + 1);
    const std::uint64_t limit = first_number(path + (unified ? "/memory.max" : "/memory.limit_in_bytes"), least);
    const std::uint64_t used = first_number(path + (unified ? "/memory.current" : "/memory.usage_in_bytes"), 0);
    if (limit != ~std::uint64_t{0}) least = std::min(least, limit > used ? limit - used : 0);
  }
  return least;
}

}  // namespace

machine_facts read_machine() {
  machine_facts facts;
  facts.cpu = field("/proc/cpuinfo", "model name");
  facts.cores = std::thread::hardware_concurrency();
  utsname system{};
  if (uname(&system) == 0) facts.kernel = system.release;
  facts.huge_pages = chosen_word(first_line("/sys/kernel/mm/transparent_hugepage/enabled"));
  facts.swap_bytes = field_bytes("/proc/meminfo", "SwapTotal");
  facts.overcommit_mode = static_cast<int>(first_number("/proc/sys/vm/overcommit_memory", 0));
  facts.max_map_count = first_number("/proc/sys/vm/max_map_count", 0);
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  facts.address_space_bytes = limit.rlim_cur;
  facts.memory_bytes = field_bytes("/proc/meminfo", "MemTotal");
  facts.available_bytes = std::min(field_bytes("/proc/meminfo", "MemAvailable"), cgroup_leaves_bytes());
  return facts;
}

nlohmann::ordered_json machine_json() {
  const machine_facts facts = read_machine();
  nlohmann::ordered_json out = {{"cpu", facts.cpu},
                                {"cores", facts.cores},
                                {"kernel", facts.kernel},
                                {"compiler", __VERSION__},
                                {"transparent_hugepage", facts.huge_pages},
                                {"swap_bytes", facts.swap_bytes},
                                {"overcommit_memory", facts.overcommit_mode},
                                {"max_map_count", facts.max_map_count},
                                {"memory_bytes", facts.memory_bytes}};
  if (facts.address_space_bytes != RLIM_INFINITY) out["address_space_bytes"] = facts.address_space_bytes;
  return out;
}

void read_times(process_usage& usage) {
  rusage times{};
  getrusage(RUSAGE_SELF, &times);
  usage.minor_faults = static_cast<std::uint64_t>(times.ru_minflt);
  usage.kernel_ns =
      static_cast<double>(times.ru_stime.tv_sec) * 1e9 + static_cast<double>(times.ru_stime.tv_usec) * 1e3;
}

process_usage read_usage() {
  process_usage usage;
  read_times(usage);
  usage.page_table_bytes = field_bytes("/proc/self/status", "VmPTE");
  std::ifstream sizes("/proc/self/statm");
  std::uint64_t virtual_pages = 0, resident_pages = 0;
  sizes >> virtual_pages >> resident_pages;
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  usage.virtual_bytes = virtual_pages * page;
  usage.resident_bytes = resident_pages * page;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) ++usage.mappings;
  return usage;
}

}  // namespace ramie::app
