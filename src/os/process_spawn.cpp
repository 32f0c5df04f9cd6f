#include "os/process_spawn.hpp"

#include "os/signal_safe.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace ramie::os {

namespace {

using kernel_signal_set = std::uint64_t;

class keep_errno {
 public:
  keep_errno() noexcept : saved_(errno) {}
  keep_errno(const keep_errno&) = delete;
  keep_errno& operator=(const keep_errno&) = delete;
  ~keep_errno() { errno = saved_; }

 private:
  int saved_;
};

void close_descriptor(int descriptor) noexcept { syscall(SYS_close, descriptor); }

// The child's half. It runs on the parent's memory until execve, so it touches nothing but its own frame and `error`.
[[noreturn]] void become(const char* const* arguments, const char* const* environment, int descriptor,
                         volatile int* error) noexcept {
  const kernel_signal_set none = 0;
  syscall(SYS_setpgid, 0, 0);
  syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  syscall(SYS_dup3, descriptor, STDIN_FILENO, 0);
  syscall(SYS_dup3, descriptor, STDOUT_FILENO, 0);
  const long null = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC, 0);
  if (null >= 0 && null != STDERR_FILENO) syscall(SYS_dup3, null, STDERR_FILENO, 0);
#ifdef SYS_close_range
  syscall(SYS_close_range, 3U, ~0U, 0U);
#endif
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof none);
  syscall(SYS_execve, arguments[0], arguments, environment);
  *error = errno;
  for (;;) syscall(SYS_exit_group, 127);
}

// Both ends of a socket; the child's is above the standard descriptors, which it is going to replace.
bool make_socket(int (&ends)[2]) noexcept {
  if (syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
  const long moved = syscall(SYS_fcntl, ends[1], F_DUPFD_CLOEXEC, 3);
  close_descriptor(ends[1]);
  ends[1] = static_cast<int>(moved);
  if (moved < 0) close_descriptor(ends[0]);
  return moved >= 0;
}

}  // namespace

started_program start_program(const char* const* arguments, const char* const* environment) noexcept {
  const keep_errno keep;
  int ends[2] = {-1, -1};
  if (!make_socket(ends)) return {.error = errno};
  // No handler of the host may run in the child, where it would see, and change, the parent's memory.
  const kernel_signal_set all = ~kernel_signal_set{0};
  kernel_signal_set before = 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
  volatile int error = 0;
  const pid_t child = vfork();
  // NOLINTNEXTLINE(clang-analyzer-unix.Vfork): it never returns, and calls nothing but the kernel
  if (child == 0) become(arguments, environment, ends[1], &error);
  if (child < 0) error = errno;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, sizeof before);
  close_descriptor(ends[1]);
  if (error != 0) {
    if (child > 0) syscall(SYS_wait4, child, nullptr, 0, nullptr);
    close_descriptor(ends[0]);
    return {.error = error};
  }
  return {.process = child, .descriptor = ends[0]};
}

namespace {

// The conversation with a started program, until one side has said all or the time is over.
class conversation {
 public:
  conversation(int descriptor, std::string_view input, std::span<char> answer, std::uint64_t deadline_ns) noexcept
      : descriptor_(descriptor), input_(input), answer_(answer), deadline_ns_(deadline_ns) {}

  exchange run() noexcept {
    if (input_.empty()) syscall(SYS_shutdown, descriptor_, SHUT_WR);
    while (!ended_ && result_.answer_bytes < answer_.size()) {
      pollfd entry = {.fd = descriptor_, .events = POLLIN, .revents = 0};
      if (!input_.empty()) entry.events |= POLLOUT;
      if (!wait(entry)) break;
      if ((entry.revents & POLLOUT) != 0) say();
      if ((entry.revents & (POLLIN | POLLHUP | POLLERR)) != 0) listen();
    }
    return result_;
  }

 private:
  bool wait(pollfd& entry) noexcept {
    const std::uint64_t now = monotonic_ns();
    if (now >= deadline_ns_) {
      result_.timed_out = true;
      return false;
    }
    constexpr std::uint64_t second_ns = 1'000'000'000;
    const std::uint64_t left = deadline_ns_ - now;
    timespec limit = {.tv_sec = static_cast<time_t>(left / second_ns), .tv_nsec = static_cast<long>(left % second_ns)};
    if (syscall(SYS_ppoll, &entry, 1UL, &limit, nullptr, sizeof(kernel_signal_set)) >= 0 || errno == EINTR) return true;
    result_.error = errno;
    return false;
  }
  void say() noexcept {
    const long sent =
        syscall(SYS_sendto, descriptor_, input_.data(), input_.size(), MSG_NOSIGNAL | MSG_DONTWAIT, nullptr, 0);
    if (sent > 0) input_.remove_prefix(static_cast<std::size_t>(sent));
    if (sent < 0 && errno != EAGAIN && errno != EINTR) input_ = {};  // it listens no longer, but may have answered
    if (input_.empty()) syscall(SYS_shutdown, descriptor_, SHUT_WR);
  }
  void listen() noexcept {
    const std::span<char> rest = answer_.subspan(result_.answer_bytes);
    const long got = syscall(SYS_recvfrom, descriptor_, rest.data(), rest.size(), MSG_DONTWAIT, nullptr, nullptr);
    if (got > 0) result_.answer_bytes += static_cast<std::size_t>(got);
    if (got < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNRESET) result_.error = errno;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) ended_ = true;
  }

  int descriptor_;
  std::string_view input_;
  std::span<char> answer_;
  std::uint64_t deadline_ns_;
  exchange result_;
  bool ended_ = false;
};

// Kills it and what it has started, unless somebody has reaped it already: its number may be another's by now. Until it
// is waited for, the number stays its own and its group's.
void end_program(int process) noexcept {
  siginfo_t ended;
  if (syscall(SYS_waitid, P_PID, process, &ended, WEXITED | WNOHANG | WNOWAIT, nullptr) != 0) return;
  syscall(SYS_kill, -process, SIGKILL);
  while (syscall(SYS_wait4, process, nullptr, 0, nullptr) < 0 && errno == EINTR) {
  }
}

}  // namespace

exchange ask_program(const char* const* arguments, const char* const* environment, std::string_view input,
                     std::span<char> answer, std::uint64_t timeout_ns) noexcept {
  const keep_errno keep;
  const std::uint64_t deadline_ns = monotonic_ns() + timeout_ns;
  const started_program program = start_program(arguments, environment);
  if (program.process < 0) return {.error = program.error};
  const exchange result = conversation(program.descriptor, input, answer, deadline_ns).run();
  close_descriptor(program.descriptor);
  end_program(program.process);
  return result;
}

}  // namespace ramie::os
