#include "os/fence.hpp"

#include "base/check.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace ramie::os {
namespace {

// errno is the caller's.
long membarrier(int command) noexcept {
  const int before = errno;
  const long answer = syscall(SYS_membarrier, command, 0U, 0);
  const long result = answer == -1 ? -errno : answer;
  errno = before;
  return result;
}

}  // namespace

bool can_fence_threads() noexcept {
  enum : std::uint8_t { unknown, yes, no };
  static constinit std::atomic<std::uint8_t> can = unknown;  // everybody finds the same
  if (const std::uint8_t known = can.load(std::memory_order_acquire); known != unknown) [[likely]]
    return known == yes;
  const long known = membarrier(MEMBARRIER_CMD_QUERY);
  const bool works = known > 0 && (known & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 &&
                     membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 &&
                     membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
  can.store(works ? yes : no, std::memory_order_release);
  return works;
}

void fence_threads() noexcept {
  long result = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  if (result == -EPERM && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0) {
    result = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  }
  RAMIE_CHECK(result == 0);
}

}  // namespace ramie::os
