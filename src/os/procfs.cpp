#include "os/procfs.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace ramie::os {
namespace {

// The libc names may be replaced by the hook library, whose versions park a fiber; these never do.
int open_plain(const char* path, int flags) {
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0));
}
ssize_t read_plain(int descriptor, char* into, std::size_t bytes) {
  return static_cast<ssize_t>(syscall(SYS_read, descriptor, into, bytes));
}

bool all_digits(const char* name) {
  return *name != '\0' && std::all_of(name, name + std::strlen(name), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

proc_root proc_root::at(const std::string& directory) {
  proc_root root;
  root.proc = directory;
  while (root.proc.size() > 1 && root.proc.back() == '/') root.proc.pop_back();
  if (root.proc == "/proc") return root;
  root.sysfs = root.proc + "/../sys";
  root.cgroup = root.sysfs + "/fs/cgroup";
  return root;
}

std::string proc_root::of_process(int pid, std::string_view file) const {
  std::string path = proc + "/" + std::to_string(pid);
  if (!file.empty()) (path += '/') += file;
  return path;
}

std::string proc_root::of_machine(std::string_view file) const { return (proc + "/").append(file); }

file_text read_text(const std::string& path) {
  file_text result;
  int descriptor = open_plain(path.c_str(), O_RDONLY);
  if (descriptor < 0) {
    result.error = errno;
    return result;
  }
  std::size_t used = 0;
  result.text.resize(4096);
  for (;;) {
    if (used + 4096 > result.text.size()) result.text.resize(result.text.size() * 2);
    ssize_t got = read_plain(descriptor, result.text.data() + used, result.text.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) result.error = errno;
    if (got <= 0) break;
    used += static_cast<std::size_t>(got);
  }
  result.text.resize(used);
  syscall(SYS_close, descriptor);
  return result;
}

file_text read_link(const std::string& path) {
  std::array<char, 4096> target;
  ssize_t length = readlink(path.c_str(), target.data(), target.size());
  if (length >= 0) return {std::string(target.data(), static_cast<std::size_t>(length)), 0};
  if (errno != EINVAL) return {"", errno};
  file_text saved = read_text(path);
  while (!saved.text.empty() && saved.text.back() == '\n') saved.text.pop_back();
  return saved;
}

std::vector<std::string> list_names(const std::string& path) {
  std::vector<std::string> names;
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory)) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
      names.emplace_back(entry->d_name);
  }
  closedir(directory);
  return names;
}

std::vector<int> list_processes(const proc_root& root) {
  std::vector<int> processes;
  for (const std::string& name : list_names(root.proc)) {
    if (all_digits(name.c_str())) processes.push_back(static_cast<int>(number_in(name)));
  }
  std::sort(processes.begin(), processes.end());
  return processes;
}

long count_entries(const std::string& path) {
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return -1;
  long count = -2;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return std::max(count, 0L);
}

bool directory_exists(const std::string& path) {
  struct stat about;
  return stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode);
}

std::uint64_t number_in(std::string_view text, std::uint64_t fallback) {
  std::size_t first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return fallback;
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data() + first, text.data() + text.size(), value);
  return error == std::errc{} ? value : fallback;
}

std::string_view value_of(std::string_view text, std::string_view key) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.size() <= key.size() || line.substr(0, key.size()) != key) continue;
    if (line[key.size()] != ':' && line[key.size()] != ' ') continue;
    std::size_t first = line.find_first_not_of(" \t", key.size() + 1);
    return first == std::string_view::npos ? std::string_view{} : line.substr(first);
  }
  return {};
}

unsigned own_user() { return geteuid(); }
int own_process() { return getpid(); }

}  // namespace ramie::os
