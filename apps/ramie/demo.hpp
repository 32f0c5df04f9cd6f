// What the demos share: each shows how a program of the bug thread fails, in a child process, and then the cure.
#pragma once

#include <functional>
#include <string>

namespace ramie::app {

struct demo_options {
  bool quick = false;
};
int demo_limit(const demo_options& options);
int demo_overflow(const demo_options& options);
int demo_first(const demo_options& options);
int demo_hog(const demo_options& options);

// How a child ended, for people: "exit status 0", "killed by signal 11 (Segmentation fault)".
struct child_end {
  bool signalled = false;
  int status = 0;  // exit status or signal
  [[nodiscard]] std::string text() const;
};
// Runs `body` in a forked child, its output on ours. `body` returns the exit status; core dumps are off there.
child_end run_child(const std::function<int()>& body);

// Lines of /proc/self/maps.
[[nodiscard]] unsigned long long count_mappings();
[[nodiscard]] std::string grouped(unsigned long long number);  // 31,744

}  // namespace ramie::app
