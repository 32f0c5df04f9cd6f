#include "diagnose/child.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

extern char** environ;

namespace ramie::test {
namespace {

attempt ended(pid_t child) {
  if (child < 0) return {errno, false};
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
  return {};
}

[[noreturn]] void serve(const std::function<std::string()>& lay_out, int requests, int answers) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(300);
  std::string refused = lay_out();
  auto length = static_cast<std::uint32_t>(refused.size());
  bool told = write(answers, &length, sizeof length) == sizeof length &&
              write(answers, refused.data(), length) == static_cast<ssize_t>(length);
  for (char what; told && read(requests, &what, 1) == 1;) {
    attempt done = what == 'f' ? try_fork() : what == 'v' ? try_vfork() : try_spawn();
    told = write(answers, &done.error, sizeof done.error) == sizeof done.error;
  }
  _exit(0);
}

}  // namespace

attempt try_fork() {
  pid_t child = ::fork();
  if (child == 0) _exit(0);
  return ended(child);
}

attempt try_vfork() {
  pid_t child = ::vfork();
  if (child == 0) _exit(0);
  return ended(child);
}

attempt try_spawn() {
  std::string program = "/nonexistent/program";
  std::array<char*, 2> arguments{program.data(), nullptr};
  pid_t child = 0;
  int error = posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments.data(), environ);
  return {error == ENOENT ? 0 : error, false};
}

laid_out_child::laid_out_child(const std::function<std::string()>& lay_out) {
  std::array<int, 2> requests{}, answers{};
  if (pipe(requests.data()) != 0 || pipe(answers.data()) != 0) {
    refused_ = std::string("pipe: ") + std::strerror(errno);
    return;
  }
  std::fflush(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    close(requests[1]);
    close(answers[0]);
    serve(lay_out, requests[0], answers[1]);
  }
  close(requests[0]);
  close(answers[1]);
  requests_ = requests[1];
  answers_ = answers[0];
  std::uint32_t length = 0;
  if (pid_ < 0 || read(answers_, &length, sizeof length) != sizeof length) {
    refused_ = "the child died while it was laid out";
    return;
  }
  refused_.resize(length);
  if (length != 0 && read(answers_, refused_.data(), length) != static_cast<ssize_t>(length)) refused_ = "no answer";
}

laid_out_child::~laid_out_child() {
  close(requests_);
  close(answers_);
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
}

attempt laid_out_child::ask(char what) {
  attempt result;
  // A killed child closes the pipe: writing to it must not end the test.
  signal(SIGPIPE, SIG_IGN);
  if (write(requests_, &what, 1) != 1 || read(answers_, &result.error, sizeof result.error) != sizeof result.error) {
    result.killed = true;
  }
  return result;
}

}  // namespace ramie::test
