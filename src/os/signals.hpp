// Handlers of signals that a program asks us to take, and sending one to a thread of this process.
#pragma once

#include <signal.h>

namespace ramie::os {

using signal_handler = void (*)(int signal, siginfo_t* about, void* machine);

// On the alternate stack where a thread has one; system calls that it interrupts are restarted. What was there before
// goes into `before`. Returns 0 or errno: EINVAL for what is no signal or cannot be caught. Any thread.
int take_signal(int signal, signal_handler handler, struct sigaction& before) noexcept;
void give_signal_back(int signal, const struct sigaction& before) noexcept;

// Safe in signal handlers; errno is as it was. To a thread that has ended: nothing.
void send_to_thread(int thread_number, int signal) noexcept;

}  // namespace ramie::os
