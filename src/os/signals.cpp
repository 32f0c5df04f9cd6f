#include "os/signals.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace ramie::os {

int take_signal(int signal, signal_handler handler, struct sigaction& before) noexcept {
  struct sigaction mine {};
  mine.sa_sigaction = handler;
  mine.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&mine.sa_mask);
  return sigaction(signal, &mine, &before) == 0 ? 0 : errno;
}

void give_signal_back(int signal, const struct sigaction& before) noexcept { sigaction(signal, &before, nullptr); }

void send_to_thread(int thread_number, int signal) noexcept {
  const int saved = errno;
  syscall(SYS_tgkill, syscall(SYS_getpid), thread_number, signal);
  errno = saved;
}

}  // namespace ramie::os
