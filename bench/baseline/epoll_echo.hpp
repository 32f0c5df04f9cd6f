// An echo server as one writes it by hand: epoll, no allocation after a connection was accepted, one thread.
#pragma once

#include "echo_setup.hpp"

namespace ramie::baseline {

// `level`: an event is told again while there is something to read; the kernel then looks at each descriptor that it
// has told once more at the next wait. `edge`: told once, which is the faster, and what the targets are measured by.
enum class trigger : bool { level, edge };

// Throws std::system_error when it cannot begin.
void epoll_echo(trigger how, const port_listener& listens);

}  // namespace ramie::baseline
