#include "bench_child.hpp"

#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <system_error>
#include <utility>

namespace ramie::app {
namespace {

void take_line(bench_report& report, progress_bar& bar, const std::string& line) {
  std::istringstream in(line);
  std::string kind;
  in >> kind;
  if (kind == "result") {
    bench_result row;
    if (in >> row.name >> row.library >> row.n >> row.unit >> row.median >> row.min >> row.max >> row.runs) {
      report.results.push_back(std::move(row));
    }
  } else if (kind == "note") {
    std::string sentence = line.substr(std::min(line.size(), std::size_t{5}));
    if (std::find(report.notes.begin(), report.notes.end(), sentence) == report.notes.end()) {
      report.notes.push_back(std::move(sentence));
    }
  } else if (kind == "progress") {
    double done = 0;
    std::string what;
    in >> done >> std::ws;
    std::getline(in, what);
    bar.show(done, what);
  }
}

void read_lines(bench_report& report, progress_bar& bar, int descriptor) {
  std::string pending;
  char buffer[4096];
  for (;;) {
    const ssize_t got = read(descriptor, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    pending.append(buffer, static_cast<std::size_t>(got));
    for (std::size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
      take_line(report, bar, pending.substr(0, end));
      pending.erase(0, end + 1);
    }
  }
}

[[noreturn]] void be_the_child(int descriptor, const std::function<void(child_output&)>& job) {
  child_output out(descriptor);
  int status = 0;
  try {
    job(out);
  } catch (const std::exception& failure) {
    out.note(failure.what());
    status = 1;
  }
  _exit(status);  // no unwinding of a million fibers: the kernel takes all of it back at once
}

}  // namespace

void child_output::line(const std::string& text) const {
  std::string all = text;
  std::replace(all.begin(), all.end(), '\n', ' ');
  all += '\n';
  for (std::size_t done = 0; done < all.size();) {
    const ssize_t wrote = write(descriptor_, all.data() + done, all.size() - done);
    if (wrote < 0 && errno != EINTR) return;
    if (wrote > 0) done += static_cast<std::size_t>(wrote);
  }
}

void child_output::result(const bench_result& row) {
  line(fmt::format("result {} {} {} {} {} {} {} {}", row.name, row.library, row.n, row.unit, row.median, row.min,
                   row.max, row.runs));
}
void child_output::note(const std::string& sentence) { line("note " + sentence); }
void child_output::progress(double done, const std::string& what) { line(fmt::format("progress {} {}", done, what)); }

progress_bar::progress_bar(int steps) : visible_(isatty(STDERR_FILENO) == 1), steps_(std::max(steps, 1)) {}

progress_bar::~progress_bar() {
  if (visible_) fmt::print(stderr, "\r{:78}\r", "");
}

void progress_bar::show(double done, const std::string& what) {
  if (!visible_) return;
  constexpr int width = 30;
  const double part = std::clamp((step_ + std::clamp(done, 0.0, 1.0)) / steps_, 0.0, 1.0);
  const auto filled = static_cast<std::size_t>(part * width);
  fmt::print(stderr, "\r[{:<{}}] {:<44.44}", std::string(filled, '#'), width, what);
  std::fflush(stderr);
}

bool run_in_child(bench_report& report, progress_bar& bar, const std::function<void(child_output&)>& job) {
  int ends[2];
  if (pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "pipe for a measuring process");
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) {
    const int error = errno;
    close(ends[0]);
    close(ends[1]);
    throw std::system_error(error, std::generic_category(), "fork of a measuring process");
  }
  if (child == 0) {
    close(ends[0]);
    be_the_child(ends[1], job);
  }
  close(ends[1]);
  read_lines(report, bar, ends[0]);
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  bar.next();
  if (WIFSIGNALED(status)) {
    report.notes.push_back(fmt::format("a measuring process was ended by signal {} ({}); its figures so far are kept",
                                       WTERMSIG(status), strsignal(WTERMSIG(status))));
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace ramie::app
