#include "os/futex.hpp"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace ramie::os {
namespace {

// errno stays as it was: a wait is invisible to whoever waits.
long call(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value, const timespec* until) noexcept {
  const int before = errno;
  const long result =
      syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, until, nullptr, FUTEX_BITSET_MATCH_ANY);
  const long answer = result < 0 ? -errno : result;
  errno = before;
  return answer;
}

}  // namespace

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept {
  call(word, FUTEX_WAIT_BITSET, expected, nullptr);
}

bool futex_wait_until(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t until_ns) noexcept {
  constexpr std::int64_t second_ns = 1'000'000'000;
  const timespec until = {until_ns / second_ns, until_ns % second_ns};
  return call(word, FUTEX_WAIT_BITSET, expected, &until) != -ETIMEDOUT;
}

void futex_wake_one(std::atomic<std::uint32_t>& word) noexcept { call(word, FUTEX_WAKE, 1, nullptr); }
void futex_wake_all(std::atomic<std::uint32_t>& word) noexcept { call(word, FUTEX_WAKE, INT32_MAX, nullptr); }

void yield_processor() noexcept { sched_yield(); }

}  // namespace ramie::os
