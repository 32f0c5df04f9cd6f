// `--watch`: the same look again and again; one line a look, the rate of growth, and when a limit will be met.
#include "diagnose/trend.hpp"
#include "diagnose/words.hpp"
#include "doctor.hpp"

#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <thread>

extern char** environ;

namespace ramie::app {
namespace {

struct watched {
  diagnose::trend mappings;
  diagnose::trend private_dirty;
  bool gone = false;
};

std::string clock_text() {
  std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char text[16];
  std::strftime(text, sizeof text, "%H:%M:%S", &parts);
  return text;
}

std::string until_text(const diagnose::trend& growth, double limit) {
  auto left = growth.seconds_until(limit);
  if (!left) return "";
  if (*left <= 0) return ", used up";
  return ", used up in " + diagnose::duration_text(*left);
}

void print_look(const diagnose::report& about, const watched& state) {
  paint colours(stdout);
  diagnose::outcome verdict = about.fork.fork;
  fmt::print("{}  {:<16} {:>7}  mappings {:>7} of {} ({:+.1f}/s{}), fork {}", clock_text(), about.facts.name,
             about.facts.pid, diagnose::grouped(about.mappings.count), diagnose::grouped(about.mappings.limit),
             state.mappings.rate(), until_text(state.mappings, static_cast<double>(about.mappings.limit)),
             verdict == diagnose::outcome::works ? "yes" : std::string(word_for(verdict)));
  if (!about.findings.empty()) fmt::print("  {}", colours.warn(about.findings.front().code));
  fmt::print("\n");
}

void print_sharing_look(const diagnose::process_sharing& row, const watched& state) {
  fmt::print("{}  {:<16} {:>7}  shared {} private dirty {} ({}{}/s), broken {}\n", clock_text(), row.name, row.pid,
             diagnose::size_text(row.shared), diagnose::size_text(row.private_dirty),
             state.private_dirty.rate() < 0 ? "" : "+",
             diagnose::signed_size_text(std::llround(state.private_dirty.rate())), diagnose::size_text(row.broken));
}

class watcher {
 public:
  watcher(const os::proc_root& root, const doctor_options& options, const std::vector<int>& processes)
      : root_(root), options_(options), processes_(processes) {}

  int run() {
    auto start = std::chrono::steady_clock::now();
    for (unsigned look = 0; options_.samples == 0 || look != options_.samples; ++look) {
      auto due = start + std::chrono::duration<double>(options_.watch_seconds * look);
      std::this_thread::sleep_until(std::chrono::time_point_cast<std::chrono::nanoseconds>(due));
      std::chrono::duration<double> at = std::chrono::steady_clock::now() - start;
      bool any = options_.sharing ? look_at_sharing(at.count()) : look_at_limits(at.count());
      std::fflush(stdout);
      if (!any) return seen_finding_ ? exit_finding : exit_unreadable;
    }
    return seen_finding_ ? exit_finding : exit_fine;
  }

 private:
  bool look_at_limits(double at) {
    os::machine machine = os::read_machine(root_);
    std::vector<diagnose::report> all;
    bool any = false;
    for (int pid : processes_) {
      watched& state = states_[pid];
      if (state.gone) continue;
      diagnose::report about = diagnose::examine(root_, machine, pid, options_.examine());
      if (!about.readable()) {
        print_unreadable(stderr, about);
        state.gone = true;
        continue;
      }
      any = true;
      state.mappings.add(at, static_cast<double>(about.mappings.count));
      if (options_.json)
        fmt::print("{}\n", report_json(about));
      else
        print_look(about, state);
      if (!about.findings.empty()) crossed(about);
      all.push_back(std::move(about));
    }
    if (any && !options_.textfile.empty()) write_textfile(options_.textfile, all);
    return any;
  }

  bool look_at_sharing(double at) {
    std::vector<int> family = processes_.size() == 1 ? diagnose::find_family(root_, processes_.front()) : processes_;
    std::vector<diagnose::process_sharing> rows = diagnose::read_sharing(root_, family);
    if (rows.front().error != 0) {
      fmt::print(stderr, "ramie doctor: process {}: {}\n", rows.front().pid, std::strerror(rows.front().error));
      return false;
    }
    if (options_.json) fmt::print("{}\n", sharing_json(rows));
    for (const diagnose::process_sharing& row : rows) {
      if (row.error != 0) continue;
      watched& state = states_[row.pid];
      state.private_dirty.add(at, static_cast<double>(row.private_dirty));
      if (!options_.json) print_sharing_look(row, state);
    }
    return true;
  }

  // The finding is told in full, and the command run, the first time only.
  void crossed(const diagnose::report& about) {
    if (seen_finding_) return;
    seen_finding_ = true;
    const diagnose::finding& first = about.findings.front();
    if (!options_.json)
      fmt::print("          {}\n          do: {}\n", wrapped(first.what, "          "),
                 wrapped(first.cure, "          "));
    std::fflush(stdout);
    if (!options_.exec.empty()) run_command(options_.exec, about.facts.pid, first);
  }

  const os::proc_root& root_;
  const doctor_options& options_;
  std::vector<int> processes_;
  std::map<int, watched> states_;
  bool seen_finding_ = false;
};

}  // namespace

void run_command(const std::string& command, int pid, const diagnose::finding& why) {
  setenv("RAMIE_PID", std::to_string(pid).c_str(), 1);
  setenv("RAMIE_CODE", why.code.c_str(), 1);
  setenv("RAMIE_WHAT", why.what.c_str(), 1);
  std::string shell = "sh", flag = "-c", text = command;
  char* arguments[] = {shell.data(), flag.data(), text.data(), nullptr};
  std::fflush(stdout);
  pid_t child = 0;
  int error = posix_spawn(&child, "/bin/sh", nullptr, nullptr, arguments, environ);
  if (error != 0) {
    fmt::print(stderr, "ramie doctor: --exec: posix_spawn of /bin/sh: {}\n", std::strerror(error));
    return;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (status != 0) fmt::print(stderr, "ramie doctor: --exec: '{}' ended with status {}\n", command, status);
}

int watch(const os::proc_root& root, const doctor_options& options, const std::vector<int>& processes) {
  return watcher(root, options, processes).run();
}

}  // namespace ramie::app
