// The load on an echo server: one thread, many connections, on each a message in flight whose echo is awaited.
#pragma once

#include "echo_setup.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ramie::baseline {

struct load_figures {
  std::uint64_t requests = 0;
  double seconds = 0;
  double p50_us = 0, p99_us = 0;  // from before a message is sent until all of its echo is there
};

class load {
 public:
  // Connects, and has each connection served once: a server has then touched what it needs for it. Throws
  // std::system_error.
  load(std::uint16_t port, std::size_t connections);
  load(const load&) = delete;
  load& operator=(const load&) = delete;
  ~load();

  // A message on every connection, the next as soon as its echo has come, for so long; then waits for the last echoes,
  // which are counted too. Throws std::system_error when a connection ends.
  load_figures run(double seconds);

 private:
  struct connection {
    int descriptor = -1;
    std::size_t missing_bytes = 0;
    std::int64_t sent_ns = 0;
  };
  void send_on(connection& one);
  // False: not all of its echo is there.
  bool take_echo(connection& one);

  int queue_ = -1;
  std::size_t in_flight_ = 0;
  std::vector<connection> all_;
  std::vector<std::uint32_t> took_ns_;
};

}  // namespace ramie::baseline
