// Text of the kernel's pseudo files, live or saved.
//
// A `proc_root` says where /proc and /sys/fs/cgroup are: this machine's own, a host's mounted into a container, or a
// snapshot saved from another machine. Everything that reads process or machine facts takes one, so that a test and a
// post-mortem run the same code as the live case.
//
// Any thread. Nothing here throws for what the world refuses: a process may die between two reads, and a file may be
// closed to us; both come back as the errno in `file_text::error`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ramie::os {

struct proc_root {
  std::string proc = "/proc";
  std::string cgroup = "/sys/fs/cgroup";
  std::string sysfs = "/sys";

  // A saved tree or a mounted host: DIR holds what /proc holds. The cgroup and sys trees are looked for where they are
  // beside a real /proc (DIR/../sys), which is also where `ramie doctor --save` puts them.
  static proc_root at(const std::string& directory);

  // Whether this is the running kernel's own /proc: only then can what is not text (links of another user, signals)
  // be asked.
  bool live() const { return proc == "/proc"; }

  std::string of_process(int pid, std::string_view file) const;  // "<proc>/<pid>/<file>"
  std::string of_machine(std::string_view file) const;           // "<proc>/<file>"
};

struct file_text {
  std::string text;
  int error = 0;  // errno of the open or the read; 0: `text` is whole
  explicit operator bool() const { return error == 0; }
};

// Reads to the end. A pseudo file has no size and answers a page at a time: one system call per 4 KiB of text.
file_text read_text(const std::string& path);

// The target of a symbolic link, such as "pid:[4026531836]" for /proc/PID/ns/pid. In a snapshot these are saved as
// plain files with the same text.
file_text read_link(const std::string& path);

// The ids of all processes, ascending. Empty when the root cannot be read.
std::vector<int> list_processes(const proc_root& root);

// Number of entries of a directory without "." and ".."; -1 when it cannot be read.
long count_entries(const std::string& path);

// Names in a directory, unsorted; empty when it cannot be read.
std::vector<std::string> list_names(const std::string& path);

bool directory_exists(const std::string& path);

// A number at the start of `text` after blanks; `fallback` when there is none.
std::uint64_t number_in(std::string_view text, std::uint64_t fallback = 0);

// The line of "Key:   value" files whose key is `key`, without the key and the blanks after it; empty when absent.
std::string_view value_of(std::string_view text, std::string_view key);

// The effective user id of the calling process, and its own process id.
unsigned own_user();
int own_process();

}  // namespace ramie::os
