// One handler for the signals of a bad access, in front of those that the program has.
//
// Installed once per process. The handler runs on the thread that faulted, on its alternate signal stack where it has
// one; what is not its business it hands to pass_fault_on().
#pragma once

#include <signal.h>

namespace ramie::os {

using fault_handler = void (*)(int signal, siginfo_t* about, void* machine);

// For SIGSEGV and SIGBUS; what was there before is kept. Not twice: the second would keep the first.
void install_fault_handler(fault_handler handler) noexcept;

// What would have happened without us: the former handler runs, or the default action follows as soon as the handler
// returns. In the handler only.
void pass_fault_on(int signal, siginfo_t* about, void* machine) noexcept;

}  // namespace ramie::os
