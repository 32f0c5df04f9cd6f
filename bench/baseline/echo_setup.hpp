// What every echo server of `ramie bench io` and of its peers serves, and what the load asks: in this one place.
//
// A server listens on a port of 127.0.0.1 that the kernel chooses, says which, and serves until its process is ended.
// Changed only with a reason: figures from before a change do not compare.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace ramie::baseline {

inline constexpr std::size_t message_bytes = 64;   // sent by each connection, which then waits for as many
inline constexpr std::size_t buffer_bytes = 1024;  // into which a server reads
inline constexpr int events_at_once = 256;         // of an epoll_wait, in the loop by hand and in the load
inline constexpr int backlog = 4096;
// Processors by number among those that may be used, when there are two: one for the server, one for the load.
inline constexpr unsigned server_core = 0, load_core = 1;

using port_listener = std::function<void(std::uint16_t port)>;
// Returns never.
using echo_server = std::function<void(const port_listener& listens)>;

}  // namespace ramie::baseline
