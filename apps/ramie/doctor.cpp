// `ramie doctor`: options, whom to look at, and the exit status.
#include "doctor.hpp"

#include "command.hpp"
#include "os/procfs.hpp"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <exception>
#include <memory>
#include <new>

namespace ramie::app {
namespace {

// A number is a process id; anything else the name of one or of many. An empty result is a target that is not there.
std::vector<int> resolve(const os::proc_root& root, const std::string& target) {
  if (target == "self") return {os::own_process()};
  if (target.find_first_not_of("0123456789") == std::string::npos) return {static_cast<int>(os::number_in(target))};
  std::vector<int> found;
  for (int pid : os::list_processes(root)) {
    if (pid == os::own_process()) continue;
    std::string name = os::read_text(root.of_process(pid, "comm")).text;
    if (!name.empty() && name.back() == '\n') name.pop_back();
    std::string path = os::read_link(root.of_process(pid, "exe")).text;
    if (name == target || path.substr(path.rfind('/') + 1) == target) found.push_back(pid);
  }
  return found;
}

int status_of(const std::vector<diagnose::report>& all) {
  bool any_finding = false, any_unreadable = false;
  for (const diagnose::report& about : all) {
    any_finding = any_finding || !about.findings.empty();
    any_unreadable = any_unreadable || !about.readable();
  }
  return any_finding ? exit_finding : any_unreadable ? exit_unreadable : exit_fine;
}

void act_on(const std::vector<diagnose::report>& all, const doctor_options& options) {
  if (!options.textfile.empty()) write_textfile(options.textfile, all);
  if (options.exec.empty()) return;
  for (const diagnose::report& about : all) {
    if (!about.findings.empty()) return run_command(options.exec, about.facts.pid, about.findings.front());
  }
}

int look_once(const os::proc_root& root, const doctor_options& options, const std::vector<int>& processes) {
  os::machine machine = os::read_machine(root);
  std::vector<diagnose::report> all;
  for (int pid : processes) {
    all.push_back(diagnose::examine(root, machine, pid, options.examine()));
    const diagnose::report& about = all.back();
    if (options.json) {
      fmt::print("{}\n", report_json(about));
    } else if (!about.readable()) {
      print_unreadable(stderr, about);
    } else {
      if (all.size() > 1) fmt::print("\n");
      print_report(stdout, about, options);
      if (options.map) print_map(stdout, about.facts);
    }
  }
  act_on(all, options);
  return status_of(all);
}

// Without a target: everything that can be read, in one table.
int survey(const os::proc_root& root, const doctor_options& options) {
  os::machine machine = os::read_machine(root);
  std::vector<diagnose::report> all;
  for (int pid : os::list_processes(root)) {
    if (pid == os::own_process() && root.live()) continue;
    diagnose::report about = diagnose::examine(root, machine, pid, options.examine());
    if (!about.readable() || about.facts.status.kernel_thread) continue;
    // What the table does not show need not be kept: a machine can have a thousand large processes.
    about.facts.maps = {};
    all.push_back(std::move(about));
  }
  if (all.empty()) {
    fmt::print(stderr, "ramie doctor: no process can be read in {}: run as root, or name a process of your own\n",
               root.proc);
    return exit_unreadable;
  }
  if (options.json) {
    for (const diagnose::report& about : all) fmt::print("{}\n", report_json(about));
  } else {
    print_survey(stdout, all, options.verbose);
  }
  act_on(all, options);
  return status_of(all);
}

int look_at_sharing(const os::proc_root& root, const doctor_options& options, std::vector<int> family) {
  if (family.size() == 1) family = diagnose::find_family(root, family.front());
  std::vector<diagnose::process_sharing> rows = diagnose::read_sharing(root, family);
  if (options.json)
    fmt::print("{}\n", sharing_json(rows));
  else
    print_sharing(stdout, rows);
  bool any = std::any_of(rows.begin(), rows.end(), [](const auto& row) { return row.error == 0; });
  return any ? exit_fine : exit_unreadable;
}

int run(const doctor_options& options) {
  if (options.demo) return run_demo(stdout);
  os::proc_root root = os::proc_root::at(options.proc);
  if (!os::directory_exists(root.proc)) {
    fmt::print(stderr, "ramie doctor: --proc {}: no such directory\n", root.proc);
    return exit_unreadable;
  }
  std::vector<int> processes;
  for (const std::string& target : options.targets) {
    std::vector<int> found = resolve(root, target);
    if (found.empty()) {
      fmt::print(stderr, "ramie doctor: no process is called '{}' in {}\n", target, root.proc);
      return exit_unreadable;
    }
    processes.insert(processes.end(), found.begin(), found.end());
  }
  bool needs_target = options.watch_seconds > 0 || options.sharing || options.map || !options.save.empty();
  if (processes.empty() && needs_target) {
    fmt::print(
        stderr,
        "ramie doctor: --watch, --cow, --map and --save need a process\nusage: ramie doctor [options] PID|NAME...\n");
    return exit_usage;
  }
  if (!options.save.empty()) return save_snapshot(root, options.save, processes);
  if (options.watch_seconds > 0) return watch(root, options, processes);
  if (options.sharing) return look_at_sharing(root, options, std::move(processes));
  return processes.empty() ? survey(root, options) : look_once(root, options, processes);
}

}  // namespace

std::function<int()> configure_doctor(CLI::App& command) {
  auto options = std::make_shared<doctor_options>();
  command.add_option("process", options->targets, "Process ids or names; none: a survey of all")->type_name("PID|NAME");
  command.add_flag("--json", options->json, "One JSON object per process (docs/doctor.schema.json)");
  command.add_flag("--deep", options->deep,
                   "Read smaps even where the verdict does not need it (60 ms per resident GiB)");
  command.add_flag("--map", options->map, "Draw the address space");
  command.add_flag("--cow", options->sharing, "What a process and its children still share, and who broke the rest");
  command.add_flag("-v,--verbose", options->verbose, "Every gate and every limit, also those that are far away");
  command
      .add_option("--watch", options->watch_seconds,
                  "Look again every so many seconds; tells the rate and the time left")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber);
  command.add_option("--samples", options->samples, "With --watch: stop after so many looks")->type_name("N");
  command.add_option("--threshold", options->threshold_percent, "Per cent of a limit from which it is a finding (80)")
      ->check(CLI::Range(1.0, 100.0));
  command.add_option("--exec", options->exec, "Run this by the shell once when there is a finding")->type_name("CMD");
  command.add_option("--textfile", options->textfile, "Write metrics for Prometheus' textfile collector")
      ->type_name("FILE");
  command.add_option("--proc", options->proc, "A saved or mounted /proc; cgroups are looked for in DIR/../sys")
      ->type_name("DIR");
  command.add_option("--save", options->save, "Save what the doctor reads, for --proc DIR/proc elsewhere")
      ->type_name("DIR");
  command.add_flag("--demo", options->demo, "Lay out children of its own, foretell, and show what then happens");
  command.footer("Exit status: 0 fine, 1 a finding, 2 wrong usage, 3 not permitted or gone.");
  return [options] {
    try {
      return run(*options);
    } catch (const std::bad_alloc&) {
      fmt::print(
          stderr,
          "ramie doctor: the kernel refuses memory to the doctor itself: the commit limit or a cgroup is used up\n");
      return exit_unreadable;
    } catch (const std::exception& failure) {
      fmt::print(stderr, "ramie doctor: {}\n", failure.what());
      return exit_unreadable;
    }
  };
}

}  // namespace ramie::app
