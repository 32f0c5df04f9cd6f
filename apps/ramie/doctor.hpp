// `ramie doctor`: the parts that print, watch and demonstrate what src/diagnose finds.
//
// Shared by the ramie command and by the static ramie-doctor. One thread; every function writes to the stream it is
// given and returns an exit status of the table below or nothing.
#pragma once

#include "diagnose/report.hpp"
#include "diagnose/sharing.hpp"

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace ramie::app {

// The one table of exit codes; the man page has the same.
inline constexpr int exit_fine = 0;
inline constexpr int exit_finding = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_unreadable = 3;  // not permitted, or gone

struct doctor_options {
  std::vector<std::string> targets;  // process ids or names
  std::string proc = "/proc";
  std::string save;
  std::string textfile;
  std::string exec;
  double threshold_percent = 80;
  double watch_seconds = 0;  // 0: look once
  unsigned samples = 0;      // with watch: stop after so many; 0: until the process ends
  bool json = false;
  bool deep = false;
  bool map = false;
  bool sharing = false;
  bool demo = false;
  bool verbose = false;

  diagnose::examine_options examine() const { return {threshold_percent / 100, deep}; }
};

// Adds the options to a command and returns what runs when it was chosen.
std::function<int()> configure_doctor(CLI::App& command);

// Colours only on a terminal, and not when NO_COLOR is set.
class paint {
 public:
  explicit paint(std::FILE* to);
  std::string good(const std::string& text) const { return wrap("32", text); }
  std::string warn(const std::string& text) const { return wrap("33;1", text); }
  std::string bad(const std::string& text) const { return wrap("31;1", text); }
  std::string bold(const std::string& text) const { return wrap("1", text); }
  std::string faint(const std::string& text) const { return wrap("2", text); }

 private:
  std::string wrap(const char* code, const std::string& text) const;
  bool on_;
};

// "#######.............", `share` of it filled.
std::string bar(double share, unsigned width);

// Breaks `text` at blanks to `width` columns and puts `indent` before each line but the first.
std::string wrapped(const std::string& text, const std::string& indent, std::size_t width = 100);

void print_report(std::FILE* to, const diagnose::report& about, const doctor_options& options);
void print_unreadable(std::FILE* to, const diagnose::report& about);
void print_survey(std::FILE* to, const std::vector<diagnose::report>& all, bool whole);
void print_map(std::FILE* to, const diagnose::process_facts& facts);
void print_sharing(std::FILE* to, const std::vector<diagnose::process_sharing>& family);

std::string report_json(const diagnose::report& about);
std::string sharing_json(const std::vector<diagnose::process_sharing>& family);

// Writes the metrics of all reports for Prometheus' textfile collector: whole or not at all.
void write_textfile(const std::string& path, const std::vector<diagnose::report>& all);

// Copies what the doctor reads of `pid` into directory/proc and directory/sys, for --proc directory/proc elsewhere.
int save_snapshot(const os::proc_root& root, const std::string& directory, const std::vector<int>& processes);

// Runs `command` by the shell with RAMIE_PID, RAMIE_CODE and RAMIE_WHAT set, and waits for it.
void run_command(const std::string& command, int pid, const diagnose::finding& why);

int watch(const os::proc_root& root, const doctor_options& options, const std::vector<int>& processes);
int run_demo(std::FILE* to);

}  // namespace ramie::app
