#include "os/fault_handler.hpp"

namespace ramie::os {
namespace {

struct sigaction former_segv, former_bus;

}  // namespace

void install_fault_handler(fault_handler handler) noexcept {
  struct sigaction mine {};
  mine.sa_sigaction = handler;
  mine.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&mine.sa_mask);
  sigaction(SIGSEGV, &mine, &former_segv);
  sigaction(SIGBUS, &mine, &former_bus);
}

void pass_fault_on(int signal, siginfo_t* about, void* machine) noexcept {
  const struct sigaction& former = signal == SIGBUS ? former_bus : former_segv;
  if ((former.sa_flags & SA_SIGINFO) != 0 && former.sa_sigaction != nullptr) {
    former.sa_sigaction(signal, about, machine);
  } else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN && former.sa_handler != nullptr) {
    former.sa_handler(signal);
  } else {
    // The default action, at the same instruction: returning faults again, now for good. What somebody sent
    // (kill, raise) would not come again by itself.
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    sigaction(signal, &standard, nullptr);
    if (about->si_code <= 0) ::raise(signal);
  }
}

}  // namespace ramie::os
