#include "bench_io_pair.hpp"

#include <fmt/core.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

namespace ramie::app {
namespace {

// What a process says: the load after each run, the server once.
struct message {
  std::array<char, 200> failure{};
  std::uint16_t port = 0;
  baseline::load_figures seen;
};

void say(int to, const message& what) {
  if (write(to, &what, sizeof what) != static_cast<ssize_t>(sizeof what)) _exit(1);
}

message hear(int from, const char* who) {
  message said;
  ssize_t got = 0;
  do {
    got = read(from, &said, sizeof said);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof said)) throw std::runtime_error(fmt::format("{} has ended", who));
  if (said.failure[0] != '\0') throw std::runtime_error(fmt::format("{}: {}", who, said.failure.data()));
  return said;
}

// Where there is one processor, both share it.
void stay_on(unsigned core) {
  cpu_set_t allowed, one;
  CPU_ZERO(&one);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (std::size_t number = 0, seen = 0; number < CPU_SETSIZE; ++number) {
    if (!CPU_ISSET(number, &allowed) || seen++ != core) continue;
    CPU_SET(number, &one);
    sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

double processor_us(pid_t of) {
  clockid_t clock{};
  timespec now{};
  if (clock_getcpuclockid(of, &clock) != 0 || clock_gettime(clock, &now) != 0) {
    throw std::runtime_error("the server's processor time cannot be read: it has ended");
  }
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

std::uint64_t resident_bytes(pid_t of) {
  std::ifstream in(fmt::format("/proc/{}/statm", of));
  std::uint64_t all = 0, resident = 0;
  in >> all >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

// The number of calls in the line "100.00  0.1  2  12345  3 total" of `strace -c`.
std::optional<double> total_calls(const char* file) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    double percent = 0, seconds = 0, each_us = 0, calls = 0;
    if (line.find("total") == std::string::npos) continue;
    if (std::sscanf(line.c_str(), "%lf %lf %lf %lf", &percent, &seconds, &each_us, &calls) == 4) return calls;
    if (std::sscanf(line.c_str(), "%lf %lf %lf", &percent, &seconds, &calls) == 3) return calls;
  }
  return {};
}

}  // namespace

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

template <class Body>
echo_pair::process echo_pair::start(unsigned core, Body body) {
  int to[2], from[2];
  if (pipe(to) != 0) throw std::system_error(errno, std::system_category(), "pipe for a measuring process");
  if (pipe(from) != 0) throw std::system_error(errno, std::system_category(), "pipe for a measuring process");
  std::fflush(nullptr);
  const pid_t maker = getpid(), child = fork();
  if (child < 0) throw std::system_error(errno, std::system_category(), "fork of a measuring process");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != maker) _exit(1);
    close(to[1]);
    close(from[0]);
    stay_on(core);
    try {
      body(to[0], from[1]);
    } catch (const std::exception& failure) {
      message last;
      std::strncpy(last.failure.data(), failure.what(), last.failure.size() - 1);
      say(from[1], last);
    }
    _exit(1);
  }
  close(to[0]);
  close(from[1]);
  return {.id = child, .ask = to[1], .answer = from[0]};
}

void echo_pair::end(process& one) noexcept {
  if (one.id < 0) return;
  kill(one.id, SIGKILL);
  while (waitpid(one.id, nullptr, 0) < 0 && errno == EINTR) {
  }
  close(one.ask);
  close(one.answer);
  one.id = -1;
}

echo_pair::echo_pair(const baseline::echo_server& server, std::size_t connections) : connections_(connections) {
  server_ = start(baseline::server_core, [&](int, int answer) {
    server([answer](std::uint16_t port) {
      message listens;
      listens.port = port;
      say(answer, listens);
    });
  });
  try {
    const std::uint16_t port = hear(server_.answer, "the server").port;
    resident_before_bytes_ = resident_bytes(server_.id);
    load_ = start(baseline::load_core, [&](int ask, int answer) {
      baseline::load clients(port, connections);
      say(answer, {});
      for (double seconds = 0; read(ask, &seconds, sizeof seconds) == sizeof seconds;) {
        message done;
        done.seen = clients.run(seconds);
        say(answer, done);
      }
    });
    hear(load_.answer, "the load");
  } catch (...) {
    end(load_);
    end(server_);
    throw;
  }
}

echo_pair::~echo_pair() {
  end(load_);
  end(server_);
}

baseline::load_figures echo_pair::run_load(double seconds) {
  if (write(load_.ask, &seconds, sizeof seconds) != sizeof seconds) throw std::runtime_error("the load has ended");
  return hear(load_.answer, "the load").seen;
}

echo_pair::figures echo_pair::measure(double seconds) {
  const double before_us = processor_us(server_.id);
  const baseline::load_figures seen = run_load(seconds);
  const auto requests = static_cast<double>(seen.requests);
  return {.cpu_us = (processor_us(server_.id) - before_us) / requests,
          .requests_per_second = requests / seen.seconds,
          .p50_us = seen.p50_us,
          .p99_us = seen.p99_us};
}

double echo_pair::resident_bytes_per_connection() const {
  return (static_cast<double>(resident_bytes(server_.id)) - static_cast<double>(resident_before_bytes_)) /
         static_cast<double>(connections_);
}

std::optional<double> echo_pair::system_calls_per_request(double seconds) {
  char file[] = "/tmp/ramie-bench-io-XXXXXX";
  const int made = mkstemp(file);
  if (made < 0) return {};
  close(made);
  const std::string id = std::to_string(server_.id);
  const pid_t tracer = fork();
  if (tracer == 0) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
    execlp("strace", "strace", "-c", "-f", "-o", file, "-p", id.c_str(), nullptr);
    _exit(127);
  }
  std::optional<double> calls;
  if (tracer > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));  // it says nowhere that it traces
    const auto requests = static_cast<double>(run_load(seconds).requests);
    kill(tracer, SIGINT);
    while (waitpid(tracer, nullptr, 0) < 0 && errno == EINTR) {
    }
    calls = total_calls(file);
    if (calls) *calls /= requests;
  }
  unlink(file);
  return calls;
}

}  // namespace ramie::app
