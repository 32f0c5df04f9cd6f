// `--textfile`: metrics for the textfile collector of Prometheus' node exporter. Written beside and renamed, so that
// the collector never reads half a file.
#include "doctor.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <functional>
#include <system_error>

namespace ramie::app {
namespace {

std::string label(const std::string& text) {
  std::string quoted;
  for (char c : text) {
    if (c == '\\' || c == '"') quoted += '\\';
    if (c == '\n')
      quoted += "\\n";
    else
      quoted += c;
  }
  return quoted;
}

class metrics_file {
 public:
  explicit metrics_file(const std::vector<diagnose::report>& all) : all_(all) {}

  using rows = std::function<void(const diagnose::report&, const std::string& who)>;
  void metric(const char* name, const char* help, const rows& each) {
    text += fmt::format("# HELP {0} {1}\n# TYPE {0} gauge\n", name, help);
    for (const diagnose::report& about : all_) {
      if (!about.readable()) continue;
      each(about, fmt::format("pid=\"{}\",name=\"{}\"", about.facts.pid, label(about.facts.name)));
    }
  }
  template <typename Value>
  void row(const char* name, const std::string& labels, Value value) {
    text += fmt::format("{}{{{}}} {}\n", name, labels, value);
  }

  std::string text;

 private:
  const std::vector<diagnose::report>& all_;
};

std::string compose(const std::vector<diagnose::report>& all) {
  metrics_file file(all);
  file.metric("ramie_doctor_limit_used", "How much of a limit is used.",
              [&](const auto& about, const std::string& who) {
                for (const auto& l : about.limits)
                  file.row("ramie_doctor_limit_used", fmt::format("{},limit=\"{}\"", who, l.code), l.used);
              });
  file.metric("ramie_doctor_limit", "The limit; absent when there is none.",
              [&](const auto& about, const std::string& who) {
                for (const auto& l : about.limits) {
                  if (l.limited()) file.row("ramie_doctor_limit", fmt::format("{},limit=\"{}\"", who, l.code), l.limit);
                }
              });
  file.metric("ramie_doctor_can_fork", "1: it can, 0: it cannot or is killed, 0.5: borderline or not known.",
              [&](const auto& about, const std::string& who) {
                auto value = [](diagnose::outcome o) {
                  return o == diagnose::outcome::works ? 1.0 : o >= diagnose::outcome::fails ? 0.0 : 0.5;
                };
                file.row("ramie_doctor_can_fork", who + ",how=\"fork\"", value(about.fork.fork));
                file.row("ramie_doctor_can_fork", who + ",how=\"vfork\"", value(about.fork.vfork));
                file.row("ramie_doctor_can_fork", who + ",how=\"posix_spawn\"", value(about.fork.spawn));
              });
  file.metric("ramie_doctor_fork_headroom", "What is left before fork fails, in the unit of the label.",
              [&](const auto& about, const std::string& who) {
                for (const diagnose::gate& g : about.fork.gates) {
                  if (g.limit == os::unlimited || g.unit == diagnose::measure::none) continue;
                  const char* unit = g.unit == diagnose::measure::bytes ? "bytes" : "tasks";
                  file.row("ramie_doctor_fork_headroom",
                           fmt::format("{},cause=\"{}\",unit=\"{}\"", who, code_for(g.what), unit), g.headroom);
                }
              });
  file.metric("ramie_doctor_fork_seconds", "Estimated time of a fork, the upper end.",
              [&](const auto& about, const std::string& who) {
                file.row("ramie_doctor_fork_seconds", who, about.fork.cost.most_ms / 1000);
              });
  file.metric("ramie_doctor_findings", "How many findings.", [&](const auto& about, const std::string& who) {
    file.row("ramie_doctor_findings", who, about.findings.size());
  });
  file.text += fmt::format(
      "# HELP ramie_doctor_time_seconds When this was written.\n# TYPE ramie_doctor_time_seconds gauge\n"
      "ramie_doctor_time_seconds {}\n",
      std::time(nullptr));
  return file.text;
}

}  // namespace

void write_textfile(const std::string& path, const std::vector<diagnose::report>& all) {
  std::string text = compose(all);
  std::string beside = path + "." + std::to_string(getpid());
  auto refuse = [&](const char* call) {
    int error = errno;
    std::remove(beside.c_str());
    throw std::system_error(error, std::generic_category(), std::string("--textfile: ") + call + " " + beside);
  };
  std::FILE* file = std::fopen(beside.c_str(), "we");
  if (file == nullptr) refuse("open");
  bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (std::fclose(file) != 0 || !written) refuse("write");
  if (std::rename(beside.c_str(), path.c_str()) != 0) refuse("rename");
}

}  // namespace ramie::app
