// Which poller a thread gets: the best that works here, or the one that was asked for.
#pragma once

#include "sched/poller.hpp"

#include <cstdint>
#include <memory>

namespace ramie::inline v0::poll {

enum class choice : std::uint8_t {
  automatic,  // what RAMIE_IO says (uring, epoll); without it io_uring where it works, else epoll
  uring,
  epoll,
  fake
};

// A sched::poller_factory's function; `wanted` is a const choice*. Throws std::system_error when the one that was asked
// for does not work here: why, and what to do. Says at RAMIE_LOG=info what was taken, once.
std::unique_ptr<sched::poller> make(const void* wanted, parking::host& home);

}  // namespace ramie::inline v0::poll
