// misbehave exit STATUS | abort | panic: what the runner of the guest must notice.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

int main(int argument_count, char** arguments) {
  const std::string_view what = argument_count > 1 ? arguments[1] : "";
  std::printf("about to %s, without an end of line", arguments[1]);
  std::fflush(stdout);
  if (what == "exit") return std::atoi(arguments[2]);
  if (what == "abort") std::abort();
  if (what == "panic" && std::getenv("RAMIE_GUEST") != nullptr) {
    const int trigger = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
    if (write(trigger, "c", 1) != 1) return 1;
  }
  return 0;
}
