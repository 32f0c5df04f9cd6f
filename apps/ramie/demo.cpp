#include "demo.hpp"

#include "command.hpp"

#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

namespace ramie::app {
namespace {

struct demo {
  const char* name;
  const char* about;
  int (*run)(const demo_options& options);
};
constexpr demo demos[] = {
    {"limit", "Creation dies near 32,000 fibers, though memory is free; then a million", demo_limit},
    {"overflow", "A stack overflow corrupts its neighbour, silently; then a report", demo_overflow},
    {"first", "A fiber for the sake of one value, a million times; then none", demo_first},
    {"hog", "A thousand tasks wait for one, and nobody knows for which; then it is named", demo_hog},
};

}  // namespace

std::string child_end::text() const {
  return signalled ? fmt::format("killed by signal {} ({})", status, strsignal(status))
                   : fmt::format("exit status {}", status);
}

child_end run_child(const std::function<int()>& body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork of a demo's child");
  if (child == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    int status = 1;
    try {
      status = body();
    } catch (const std::exception& failure) {
      fmt::print(stderr, "  {}\n", failure.what());
    }
    std::fflush(nullptr);
    _exit(status);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? child_end{true, WTERMSIG(status)} : child_end{false, WEXITSTATUS(status)};
}

unsigned long long count_mappings() {
  std::ifstream maps("/proc/self/maps");
  unsigned long long count = 0;
  for (std::string line; std::getline(maps, line);) ++count;
  return count;
}

std::string grouped(unsigned long long number) {
  const std::string digits = std::to_string(number);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

action add_demo(CLI::App& root) {
  CLI::App* all = root.add_subcommand("demo", "Show a failure of the bug thread, and then its cure");
  all->require_subcommand(1);
  auto options = std::make_shared<demo_options>();
  for (const demo& one : demos) {
    CLI::App* command = all->add_subcommand(one.name, one.about);
    command->add_flag("--quick", options->quick, "A smaller cure: for small machines and for tests");
  }
  return [all, options] {
    for (const demo& one : demos) {
      if (all->get_subcommand(one.name)->parsed()) return one.run(*options);
    }
    return 2;
  };
}

}  // namespace ramie::app
