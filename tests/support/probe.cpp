// One row of docs/support.md: what fibers are like where this runs. support_probe [FIBERS]
//
// Prints one line, "probe: key=value|key=value...", and ends with 0 when all that was tried works: every stack guarded,
// an overflow reported in words, the number of fibers reached or refused by a typed error after which the rest goes on.
#include <ramie/fiber.hpp>

#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define RUNS_ON_VALGRIND (RUNNING_ON_VALGRIND != 0)
#else
#define RUNS_ON_VALGRIND false
#endif

namespace {

using ramie::fiber;
namespace this_fiber = ramie::this_fiber;

[[gnu::noinline]] int deeper(int depth) {
  volatile char frame[512];
  frame[0] = static_cast<char>(depth);
  return depth < 0 ? 0 : deeper(depth + 1) + frame[0];
}

// A fiber of a child overflows its stack: does a report come, and does the child die?
bool overflow_is_reported() {
  int ends[2];
  if (pipe(ends) != 0) return false;
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    fiber f([] { deeper(0); });
    f.resume();
    _exit(0);
  }
  close(ends[1]);
  std::string report;
  char part[4096];
  for (ssize_t got = 0; (got = read(ends[0], part, sizeof part)) > 0;)
    report.append(part, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  const bool died = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  return died && report.find("ramie: stack overflow in fiber") != std::string::npos;
}

const char* checker() {
#if defined(RAMIE_ASAN)
  return "AddressSanitizer";
#elif defined(RAMIE_TSAN)
  return "ThreadSanitizer";
#else
  return RUNS_ON_VALGRIND ? "Valgrind" : "none";
#endif
}

const char* compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

const char* switch_kind() {
#if defined(RAMIE_SWITCH_UCONTEXT)
  return "ucontext";
#else
  return "assembly";
#endif
}

long mappings() {
  std::ifstream maps("/proc/self/maps");
  long lines = 0;
  for (std::string line; std::getline(maps, line);) ++lines;
  return lines;
}

}  // namespace

int main(int count, char** arguments) {
  const long wanted = count > 1 ? std::strtol(arguments[1], nullptr, 10) : 10'000;
  const bool reported = overflow_is_reported();
  std::vector<fiber> fibers;
  fibers.reserve(static_cast<std::size_t>(wanted));
  std::string refused;
  bool guarded = true;
  try {
    while (static_cast<long>(fibers.size()) < wanted) {
      fibers.emplace_back([] { this_fiber::suspend(); });
      fibers.back().resume();
      guarded = guarded && fibers.back().stack().guard != ramie::guard::none;
    }
  } catch (const ramie::stack_error& error) {
    refused = error.what();
    fibers.pop_back();
  }
  const long reached = static_cast<long>(fibers.size());
  const long lines = mappings();
  for (fiber& f : fibers) f.resume();
  fibers.clear();
  bool ran = false;
  fiber last([&] { ran = true; });
  last.resume();

  utsname machine{};
  uname(&machine);
  std::printf(
      "probe: kernel=%s|processor=%s|compiler=%s|checker=%s|switch=%s|guard=%s|overflow=%s|fibers=%ld|mappings=%ld|"
      "refused=%s\n",
      machine.release, machine.machine, compiler(), checker(), switch_kind(), name_of(ramie::count_stacks().guard),
      reported ? "reported" : "not reported", reached, lines, refused.c_str());
  return reported && guarded && ran && (reached == wanted || !refused.empty()) ? 0 : 1;
}
