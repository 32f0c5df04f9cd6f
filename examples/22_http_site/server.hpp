// An HTTP/1.1 server: a task for each connection, straight code in each. All on one thread.
#pragma once

#include "site.hpp"

#include <ramie/event.hpp>
#include <ramie/net.hpp>
#include <ramie/task.hpp>

#include <chrono>
#include <cstddef>
#include <list>

namespace site {

struct limits {
  std::uint32_t header_bytes = 8 << 10;
  std::uint64_t body_bytes = 1 << 20;
  std::size_t connections = 10'000;
  std::chrono::milliseconds request = std::chrono::seconds(10);  // from its first byte to its last; and the answer
  std::chrono::milliseconds idle = std::chrono::seconds(15);     // between two requests of a connection
  std::chrono::milliseconds grace = std::chrono::seconds(2);     // for requests that run when it is stopped
  bool log = true;                                               // a line for each request on standard output
};

class server {
 public:
  server(ramie::net::listener& door, limits given);

  // Accepts until stop(); returns when the last connection has ended. Once.
  void run();
  // No more connections; idle ones are closed, requests that run have `grace`. Never waits.
  void stop() noexcept;
  [[nodiscard]] const counters& now() const noexcept { return counts_; }

 private:
  struct connection {
    ramie::net::stream peer;
    bool idle = true;  // between two requests
  };
  void accept_all(ramie::scope& s);
  void admit(ramie::net::stream peer, ramie::scope& s);
  void live(std::list<connection>::iterator place);
  void serve(connection& one);
  void answer_out_of_descriptors();
  void refuse(ramie::net::stream& peer, const char* why);

  ramie::net::listener& door_;
  const limits limits_;
  counters counts_;
  std::list<connection> open_;
  ramie::net::stream spare_;  // a descriptor to give up when there is no other left
  bool stopping_ = false;
  ramie::event all_gone_;  // while it stops: the last connection has ended
};

}  // namespace site
