#include "os/clock.hpp"

#include "os/signal_safe.hpp"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <array>
#include <cstdlib>
#include <string_view>
#include <system_error>

namespace ramie::os {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

}  // namespace

std::int64_t monotonic_now_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * second_ns + now.tv_nsec;
}

void sleep_until(std::int64_t monotonic_ns) noexcept {
  const timespec until = {monotonic_ns / second_ns, monotonic_ns % second_ns};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

void start_quiet_thread(const char* name, void (*body)()) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  pthread_t made;
  const int refused = pthread_create(
      &made, &attributes,
      [](void* argument) -> void* {
        reinterpret_cast<void (*)()>(argument)();
        return nullptr;
      },
      reinterpret_cast<void*>(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (refused != 0) {
    throw std::system_error(refused, std::generic_category(), std::string("cannot start the thread ") + name);
  }
  pthread_setname_np(made, name);
}

std::uint32_t thread_count() noexcept {
  std::array<char, 1024> memory;
  std::string_view text = read_file("/proc/self/stat", memory);
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return 0;
  text.remove_prefix(name_end + 1);
  // After the name: state is field 3, num_threads field 20.
  for (int field = 3; field < 20 && !text.empty(); ++field) {
    const std::size_t space = text.find(' ', 1);
    if (space == std::string_view::npos) return 0;
    text.remove_prefix(space);
  }
  std::uint32_t count = 0;
  for (std::size_t i = 1; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
    count = count * 10 + static_cast<std::uint32_t>(text[i] - '0');
  }
  return count;
}

}  // namespace ramie::os
