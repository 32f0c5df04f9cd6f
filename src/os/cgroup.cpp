#include "os/cgroup.hpp"

#include <algorithm>

namespace ramie::os {
namespace {

struct place {
  std::string base;  // directory of the hierarchy's root
  std::string path;  // the process's group in it
  int version = 0;
};

bool names_controller(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    std::size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == wanted) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

// Lines are "8:pids:/path" (version 1) and "0::/path" (version 2). Version 1 wins: a controller is in one tree only.
place find_place(const proc_root& root, std::string_view membership, std::string_view controller) {
  place unified;
  while (!membership.empty()) {
    std::size_t end = std::min(membership.find('\n'), membership.size());
    std::string_view line = membership.substr(0, end);
    membership.remove_prefix(std::min(end + 1, membership.size()));
    std::size_t first = line.find(':');
    std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    std::string_view controllers = line.substr(first + 1, second - first - 1);
    std::string_view path = line.substr(second + 1);
    if (names_controller(controllers, controller)) {
      std::string base = root.cgroup + "/" + std::string(controllers);
      if (!directory_exists(base)) base = root.cgroup + "/" + std::string(controller);
      return {base, std::string(path), 1};
    }
    if (controllers.empty()) unified = {root.cgroup, std::string(path), 2};
  }
  if (unified.version == 2 && !read_text(unified.base + "/cgroup.controllers")) unified.base += "/unified";
  return unified;
}

std::uint64_t value(const std::string& directory, const char* file, std::uint64_t fallback) {
  file_text text = read_text(directory + "/" + file);
  return text ? number_in(text.text, fallback) : fallback;
}

// Version 1 writes "no limit" as the largest page-aligned signed number.
std::uint64_t limit_value(const std::string& directory, const char* file) {
  std::uint64_t limit = value(directory, file, unlimited);
  return limit >= (std::uint64_t{1} << 62) ? unlimited : limit;
}

std::uint64_t keyed(const std::string& directory, const char* file, std::string_view key) {
  return number_in(value_of(read_text(directory + "/" + file).text, key));
}

template <typename Fill>
cgroup_chain read_chain(const proc_root& root, std::string_view membership, std::string_view controller, Fill&& fill) {
  cgroup_chain chain;
  place where = find_place(root, membership, controller);
  if (where.version == 0 || !directory_exists(where.base)) return chain;
  chain.version = where.version;
  std::string path = where.path;
  if (path.compare(0, 4, "/../") == 0 || path == "/.." || !directory_exists(where.base + path)) {
    chain.cut_off = true;
    path = "/";
  }
  for (;;) {
    cgroup_level level;
    level.path = path;
    level.directory = path == "/" ? where.base : where.base + path;
    fill(level, where.version);
    chain.levels.push_back(std::move(level));
    if (path == "/") break;
    path.resize(path.rfind('/'));
    if (path.empty()) path = "/";
  }
  return chain;
}

}  // namespace

cgroup_chain read_pids_cgroups(const proc_root& root, std::string_view membership) {
  return read_chain(root, membership, "pids", [](cgroup_level& level, int) {
    level.limit_file = "pids.max";
    level.limit = limit_value(level.directory, "pids.max");
    level.used = value(level.directory, "pids.current", 0);
    level.refused = keyed(level.directory, "pids.events", "max");
  });
}

cgroup_chain read_memory_cgroups(const proc_root& root, std::string_view membership) {
  return read_chain(root, membership, "memory", [](cgroup_level& level, int version) {
    const std::string& directory = level.directory;
    if (version == 1) {
      level.limit_file = "memory.limit_in_bytes";
      level.limit = limit_value(directory, "memory.limit_in_bytes");
      level.used = value(directory, "memory.usage_in_bytes", 0);
      level.refused = value(directory, "memory.failcnt", 0);
    } else {
      level.limit_file = "memory.max";
      level.limit = limit_value(directory, "memory.max");
      level.used = value(directory, "memory.current", 0);
      level.refused = keyed(directory, "memory.events", "max");
    }
    if (!level.limited()) return;
    std::string stat = read_text(directory + "/memory.stat").text;
    auto field = [&](const char* total, const char* own) {
      std::string_view found = value_of(stat, version == 1 ? total : own);
      return number_in(found);
    };
    level.reclaimable = field("total_inactive_file", "inactive_file") + field("total_active_file", "active_file") +
                        field("", "slab_reclaimable");
  });
}

cgroup_chain read_processor_cgroups(const proc_root& root, std::string_view membership) {
  return read_chain(root, membership, "cpu", [](cgroup_level& level, int version) {
    // Microseconds of processor time in a period: "max 100000" or "150000 100000"; version 1 has two files, and -1.
    std::uint64_t quota_us = unlimited, period_us = 0;
    if (version == 1) {
      level.limit_file = "cpu.cfs_quota_us";
      quota_us = value(level.directory, "cpu.cfs_quota_us", unlimited);
      period_us = value(level.directory, "cpu.cfs_period_us", 0);
    } else {
      level.limit_file = "cpu.max";
      const std::string text = read_text(level.directory + "/cpu.max").text;
      quota_us = number_in(text, unlimited);
      const std::size_t blank = text.find(' ');
      if (blank != std::string::npos) period_us = number_in(std::string_view(text).substr(blank));
    }
    if (quota_us != unlimited && period_us != 0) level.limit = quota_us * 1000 / period_us;
  });
}

}  // namespace ramie::os
