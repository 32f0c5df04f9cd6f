#include "cow_measure.hpp"

#include "os/heap_memory.hpp"

#include <fmt/core.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

namespace ramie::app {

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void send(int pipe, const void* data, std::size_t bytes) {
  if (write(pipe, data, bytes) != static_cast<ssize_t>(bytes)) throw std::runtime_error("cannot write to a pipe");
}

namespace {

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) throw std::runtime_error("cannot make a pipe");
  return ends;
}

// Ends the child without destructors and buffers that are the parent's.
template <class Body>
[[noreturn]] void be_child(Body body) {
  try {
    body();
    _exit(0);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "ramie: in a child: {}\n", failure.what());
    _exit(1);
  }
}

}  // namespace

void run_in_child(const std::function<void(int)>& body, void* result, std::size_t bytes) {
  const std::array<int, 2> ends = make_pipe();
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("cannot fork");
  if (child == 0) be_child([&] { body(ends[1]); });
  close(ends[1]);
  const ssize_t got = read(ends[0], result, bytes);
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (got != static_cast<ssize_t>(bytes)) throw std::runtime_error("a child ended without a result");
}

family::family(std::size_t count, const std::function<void()>& body) : done_(make_pipe()), go_(make_pipe()) {
  char byte = 0;
  std::fflush(nullptr);
  for (std::size_t at = 0; at < count; ++at) {
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("cannot fork");
    if (child == 0) {
      be_child([&] {
        close(go_[1]);
        body();
        send(done_[1], &byte, 1);
        static_cast<void>(!read(go_[0], &byte, 1));
      });
    }
    processes_.push_back(child);
  }
  for (std::size_t at = 0; at < count; ++at) {
    if (read(done_[0], &byte, 1) != 1) throw std::runtime_error("a child ended early");
  }
}

family::~family() {
  close(go_[1]);
  for (int process : processes_) waitpid(process, nullptr, 0);
  close(go_[0]);
  close(done_[0]);
  close(done_[1]);
}

double family::proportional_mb() const {
  double sum = 0;
  for (int process : processes_) {
    const auto use = os::heap_memory::read_memory_use(process);
    if (!use) throw std::runtime_error("cannot read a child's smaps_rollup");
    sum += static_cast<double>(use->proportional_bytes) / 1e6;
  }
  return sum;
}

void results::add(const std::string& name, const std::string& library, double n, const std::string& unit,
                  double value) {
  const auto same = [&](const row& at) { return at.name == name && at.library == library && at.n == n; };
  auto found = std::find_if(rows_.begin(), rows_.end(), same);
  if (found == rows_.end()) found = rows_.insert(rows_.end(), row{name, library, unit, n, {}});
  found->values.push_back(value);
}

namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

nlohmann::json machine() {
  std::string cpu = "unknown";
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    cpu = line.substr(line.find(':') + 2);
    break;
  }
  utsname system{};
  uname(&system);
  return {{"cpu", cpu}, {"cores", std::thread::hardware_concurrency()}, {"kernel", system.release}};
}

}  // namespace

void results::print(bool json) const {
  nlohmann::json rows = nlohmann::json::array();
  if (!json)
    fmt::print("{:<40} {:<24} {:>9} {:>12} {:>12} {:>12}  {}\n", "case", "library", "n", "median", "min", "max",
               "unit");
  for (const row& at : rows_) {
    const auto [least, most] = std::minmax_element(at.values.begin(), at.values.end());
    const double middle = median(at.values);
    rows.push_back({{"case", at.name},
                    {"library", at.library},
                    {"n", at.n},
                    {"unit", at.unit},
                    {"median", middle},
                    {"min", *least},
                    {"max", *most},
                    {"runs", at.values.size()}});
    if (json) continue;
    fmt::print("{:<40} {:<24} {:>9} {:>12.3f} {:>12.3f} {:>12.3f}  {}\n", at.name, at.library, at.n, middle, *least,
               *most, at.unit);
  }
  if (json) fmt::print("{}\n", nlohmann::json{{"bench", bench_}, {"machine", machine()}, {"results", rows}}.dump(2));
}

}  // namespace ramie::app
