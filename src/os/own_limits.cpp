#include "os/own_limits.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace ramie::os {
namespace {

constexpr std::size_t text_bytes = 8192;

// Reads at most text_bytes - 1 characters; an unreadable file is an empty text.
struct text_file {
  char text[text_bytes];
  explicit text_file(const char* path) noexcept {
    std::size_t length = 0;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    while (descriptor >= 0 && length + 1 < text_bytes) {
      ssize_t got = read(descriptor, text + length, text_bytes - 1 - length);
      if (got <= 0) break;
      length += static_cast<std::size_t>(got);
    }
    if (descriptor >= 0) close(descriptor);
    text[length] = 0;
  }
  // The number after `key`, in the unit of the file; `missing` when it is not there.
  [[nodiscard]] std::uint64_t number_after(const char* key, std::uint64_t missing) const noexcept {
    const char* place = std::strstr(text, key);
    return place == nullptr ? missing : std::strtoull(place + std::strlen(key), nullptr, 10);
  }
  [[nodiscard]] std::uint64_t number(std::uint64_t missing) const noexcept {
    char* end = nullptr;
    std::uint64_t value = std::strtoull(text, &end, 10);
    return end == text ? missing : value;
  }
};

std::uint64_t soft_limit(__rlimit_resource which) noexcept {
  rlimit limit{};
  if (getrlimit(which, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return unlimited;
  return limit.rlim_cur;
}

// Walks from `path` below `mount` to the root, keeping the group with the least room.
void tighten(cgroup_memory& tightest, const char* mount, char* path, const char* limit_file,
             const char* usage_file) noexcept {
  for (;;) {
    char name[text_bytes];
    std::snprintf(name, sizeof name, "%s%s/%s", mount, path, limit_file);
    std::uint64_t allowed = text_file(name).number(unlimited);  // "max" is no number
    if (allowed < (std::uint64_t{1} << 60)) {
      std::snprintf(name, sizeof name, "%s%s/%s", mount, path, usage_file);
      std::uint64_t used = text_file(name).number(0);
      bool less_room = allowed - used < tightest.allowed_bytes - tightest.used_bytes;
      if (tightest.allowed_bytes == unlimited || less_room) tightest = {used, allowed};
    }
    char* slash = std::strrchr(path, '/');
    if (slash == nullptr) return;
    *slash = 0;
  }
}

}  // namespace

std::uint64_t mappings_in_use() noexcept {
  int descriptor = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return 0;
  char part[16384];
  std::uint64_t lines = 0;
  for (ssize_t got; (got = read(descriptor, part, sizeof part)) > 0;) {
    for (ssize_t i = 0; i < got; ++i) lines += part[i] == '\n';
  }
  close(descriptor);
  return lines;
}

std::uint64_t mappings_allowed() noexcept { return text_file("/proc/sys/vm/max_map_count").number(65530); }

std::uint64_t address_space_in_use_bytes() noexcept {
  return text_file("/proc/self/statm").number(0) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}
std::uint64_t address_space_allowed_bytes() noexcept { return soft_limit(RLIMIT_AS); }
std::uint64_t data_in_use_bytes() noexcept { return text_file("/proc/self/status").number_after("VmData:", 0) << 10; }
std::uint64_t data_allowed_bytes() noexcept { return soft_limit(RLIMIT_DATA); }

int overcommit_mode() noexcept {
  std::uint64_t mode = text_file("/proc/sys/vm/overcommit_memory").number(unlimited);
  return mode == unlimited ? -1 : static_cast<int>(mode);
}
std::uint64_t committed_bytes() noexcept { return text_file("/proc/meminfo").number_after("Committed_AS:", 0) << 10; }
std::uint64_t commit_allowed_bytes() noexcept {
  return text_file("/proc/meminfo").number_after("CommitLimit:", 0) << 10;
}

cgroup_memory tightest_memory_cgroup() noexcept {
  cgroup_memory tightest;
  text_file groups("/proc/self/cgroup");
  for (char* line = groups.text; line != nullptr && *line != 0;) {
    char* end = std::strchr(line, '\n');
    if (end != nullptr) *end = 0;
    if (std::strncmp(line, "0::", 3) == 0) {
      tighten(tightest, "/sys/fs/cgroup", line + 3, "memory.max", "memory.current");
    } else if (char* v1 = std::strstr(line, ":memory:"); v1 != nullptr) {
      tighten(tightest, "/sys/fs/cgroup/memory", v1 + 8, "memory.limit_in_bytes", "memory.usage_in_bytes");
    }
    line = end == nullptr ? nullptr : end + 1;
  }
  return tightest;
}

}  // namespace ramie::os
