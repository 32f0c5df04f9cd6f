// A small web site over HTTP/1.1: Boost.Beast's parser on ramie's streams, a task for each connection.
//
//     example.22_http_site [--port N] [--once] [--quiet] [--connections N] [--request-ms N] [--idle-ms N] [--grace-ms
//     N]
//
// --port: 8080 is the default, 0 is any; a port that is taken means the next free one. --once: asks itself for one
// page, prints the answer and ends; so it does, too, without --port where standard output is no terminal. Ctrl-C or
// SIGTERM stops it: requests that run are finished, for a moment.
#include "server.hpp"

#include <ramie/runtime.hpp>

#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

namespace {

struct command_line {
  int port = 8080;
  bool once = ::isatty(STDOUT_FILENO) == 0;
  site::limits limits;
};

int usage() {
  std::fputs(
      "usage: example.22_http_site [--port N] [--once] [--quiet] [--connections N] [--request-ms N] [--idle-ms N] "
      "[--grace-ms N]\n",
      stderr);
  return 2;
}

std::optional<command_line> parse(int count, char** arguments) {
  command_line result;
  for (int i = 1; i < count; ++i) {
    const std::string option = arguments[i];
    if (option == "--once" || option == "--quiet") {
      (option == "--once" ? result.once : result.limits.log) = option == "--once";
      continue;
    }
    if (++i == count) return std::nullopt;
    char* end = nullptr;
    const long value = std::strtol(arguments[i], &end, 10);
    if (end == arguments[i] || *end != '\0' || value < 0) return std::nullopt;
    if (option == "--port" && value <= 65'535) {
      result.port = static_cast<int>(value);
      result.once = false;
    } else if (option == "--connections") {
      result.limits.connections = static_cast<std::size_t>(value);
    } else if (option == "--request-ms") {
      result.limits.request = std::chrono::milliseconds(value);
    } else if (option == "--idle-ms") {
      result.limits.idle = std::chrono::milliseconds(value);
    } else if (option == "--grace-ms") {
      result.limits.grace = std::chrono::milliseconds(value);
    } else {
      return std::nullopt;
    }
  }
  return result;
}

ramie::net::listener open_door(int port) {
  for (int next = port;; ++next) {
    try {
      ramie::net::listener door("127.0.0.1:" + std::to_string(next));
      if (next != port) std::printf("Port %d is taken; it is %d now.\n", port, next);
      return door;
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::address_in_use || next == 65'535 || next == port + 100) throw;
    }
  }
}

// A signal becomes a byte in a pipe, which a task reads.
int signal_pipe = -1;
void on_signal(int) {
  const int before = errno;
  [[maybe_unused]] const auto written = ::write(signal_pipe, "s", 1);
  errno = before;
}

void wait_for_a_signal(ramie::net::stream& from) {
  std::array<char, 1> one{};
  from.read_some(std::span(one));
  std::puts("Stopping: requests that run are finished.");
}

std::string ask(const ramie::net::endpoint& server) {
  ramie::net::stream peer = ramie::net::connect(server);
  peer.write_all("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  std::string text;
  std::array<char, 4096> data{};
  while (const std::size_t got = peer.read_some(std::span(data))) text.append(data.data(), got);
  return text;
}

int serve(const command_line& wanted) {
  auto signals = ramie::net::pipe_pair();
  signal_pipe = signals.second.number();
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, &on_signal);
  ramie::net::listener door = open_door(wanted.port);
  site::server server(door, wanted.limits);
  std::string answer;
  ramie::with_scope([&](ramie::scope& s) {
    s.spawn(
        [&] {
          wait_for_a_signal(signals.first);
          server.stop();
        },
        {.name = "signals", .transient = true});
    if (wanted.once) {
      s.spawn([&] {
        answer = ask(door.local());
        server.stop();
      });
    } else {
      std::printf("Serving the sample site: open http://%s/ (Ctrl-C ends it).\n", door.local().text().c_str());
      std::fflush(stdout);
    }
    server.run();
  });
  const site::counters& now = server.now();
  if (wanted.once) {
    std::printf("%s", answer.c_str());
  } else {
    std::printf("%llu requests on %llu connections, %llu refused, %llu cut off.\n",
                static_cast<unsigned long long>(now.requests), static_cast<unsigned long long>(now.connections),
                static_cast<unsigned long long>(now.refused), static_cast<unsigned long long>(now.timed_out));
  }
  return wanted.once && answer.rfind("HTTP/1.1 200", 0) != 0 ? 1 : 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::optional<command_line> wanted = parse(count, arguments);
  if (!wanted) return usage();
  return ramie::run([&] { return serve(*wanted); }, {.name = "site"});
}
