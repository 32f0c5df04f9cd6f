// An echo server and its load, each a process of its own on its own processor, measured from a third.
//
// The server's processor time (user and system, of all its threads) is read by its clock from outside: it knows nothing
// of being measured. Make pairs in a process with one thread and no fibers. They end with the object, or with their
// maker.
#pragma once

#include "echo_setup.hpp"
#include "load.hpp"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace ramie::app {

// RLIMIT_NOFILE raised to its hard limit, for this process and its children: what it is now.
std::size_t raise_descriptor_limit();

class echo_pair {
 public:
  struct figures {
    double cpu_us = 0;  // of the server, for a request
    double requests_per_second = 0, p50_us = 0, p99_us = 0;
  };

  // The server listens, all connections are made, and each was served once. Throws std::runtime_error with the words
  // of the process that failed.
  echo_pair(const baseline::echo_server& server, std::size_t connections);
  ~echo_pair();
  echo_pair(const echo_pair&) = delete;
  echo_pair& operator=(const echo_pair&) = delete;

  figures measure(double seconds);
  // What each connection has added to the server's resident memory.
  [[nodiscard]] double resident_bytes_per_connection() const;
  // By strace(1), which slows the server down meanwhile: it then finds more to do at each look. Nothing: there is none,
  // or it may not trace.
  std::optional<double> system_calls_per_request(double seconds);

 private:
  struct process {
    pid_t id = -1;
    int ask = -1, answer = -1;  // ours
  };
  template <class Body>
  static process start(unsigned core, Body body);
  static void end(process& one) noexcept;
  baseline::load_figures run_load(double seconds);

  process server_, load_;
  std::size_t connections_;
  std::uint64_t resident_before_bytes_ = 0;
};

}  // namespace ramie::app
