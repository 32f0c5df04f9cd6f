#include "os/forks.hpp"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

namespace ramie::os {

constinit std::atomic<std::uint32_t> forks_so_far = 0;

namespace {

void count_fork() noexcept { forks_so_far.fetch_add(1, std::memory_order_relaxed); }
[[gnu::constructor(101)]] void see_to_forks() { pthread_atfork(nullptr, nullptr, &count_fork); }

}  // namespace

int take_number(int fresh, int number) noexcept {
  const int before = errno;
  const int result = ::dup3(fresh, number, O_CLOEXEC) < 0 ? -errno : 0;
  if (result == 0) ::close(fresh);
  errno = before;
  return result;
}

}  // namespace ramie::os
