// Asking another program something from inside a signal handler: start it, feed it, read what it says, end it.
//
// Both functions may be called in a handler, on any thread, also with a heap that is broken or locked: they allocate
// nothing, take no lock, and leave errno as it was. The program starts by vfork, so that a process of any size, also
// one that could not fork for want of memory, can start it. It gets its own end of a socket as standard input and
// output, /dev/null as standard error, none of the caller's other descriptors, and an empty signal mask. (A socket
// rather than two pipes: one descriptor, and writing to a program that has died raises no SIGPIPE.) It leads a process
// group of its own, and dies with the thread that started it.
//
// Under ThreadSanitizer, which makes fork of vfork, a program that cannot be executed looks like one that says nothing.
// Its end is a child's end: a SIGCHLD handler of the host may run, and a host that reaps every child by wait(-1) may
// take the status first; neither does harm here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ramie::os {

struct started_program {
  int process = -1;     // its number, -1 when it was not started
  int descriptor = -1;  // our end: its standard input and output
  int error = 0;        // why it was not started: errno of socketpair, vfork or execve
};

// `arguments` and `environment` end in a null pointer; arguments[0] is the path, PATH is not searched. The calling
// thread waits until the program is loaded.
started_program start_program(const char* const* arguments, const char* const* environment) noexcept;

struct exchange {
  std::size_t answer_bytes = 0;
  int error = 0;           // it was not started, or reading failed; errno
  bool timed_out = false;  // killed at the limit; the answer holds what had come until then
};

// Runs the program: writes `input` and then the end of file to it, reads into `answer` until it closes its output, the
// answer is full or the limit is over, and kills whatever is left of it.
exchange ask_program(const char* const* arguments, const char* const* environment, std::string_view input,
                     std::span<char> answer, std::uint64_t timeout_ns) noexcept;

}  // namespace ramie::os
