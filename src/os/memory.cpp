#include "os/memory.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <utility>

namespace ramie::os {
namespace {

constexpr int madv_guard_install = 102;     // Linux 6.13; absent from Debian 12's headers
constexpr int pidfd_self_process = -10001;  // PIDFD_SELF_THREAD_GROUP, Linux 6.14

int as_errno(int result) noexcept { return result == 0 ? 0 : errno; }

// One descriptor of this process for process_madvise, where the kernel does not know the self constant.
int own_pidfd() noexcept {
  // Inherited over a fork it would name the parent, so each process opens its own.
  static std::atomic<std::uint64_t> known{0};  // process in the upper half, descriptor in the lower
  auto self = static_cast<std::uint32_t>(getpid());
  std::uint64_t now = known.load(std::memory_order_acquire);
  if (now >> 32 == self) return static_cast<int>(now);
  auto descriptor = static_cast<int>(syscall(SYS_pidfd_open, self, 0));
  if (descriptor < 0) return -1;
  std::uint64_t mine = (std::uint64_t{self} << 32) | static_cast<std::uint32_t>(descriptor);
  if (known.compare_exchange_strong(now, mine, std::memory_order_acq_rel)) return descriptor;
  ::close(descriptor);  // another thread was first
  return static_cast<int>(known.load(std::memory_order_acquire));
}

long advise_batch(const iovec* ranges, std::size_t count, int advice) noexcept {
  static std::atomic<bool> self_constant_works{true};
  if (self_constant_works.load(std::memory_order_relaxed)) {
    long done = syscall(SYS_process_madvise, pidfd_self_process, ranges, count, advice, 0);
    if (done >= 0 || errno != EBADF) return done;
    self_constant_works.store(false, std::memory_order_relaxed);
  }
  return syscall(SYS_process_madvise, own_pidfd(), ranges, count, advice, 0);
}

// Forbidden (containers), unknown, or not for oneself (before 6.13): one call each from now on.
bool batches_are_refused(int error) noexcept {
  return error == EPERM || error == ENOSYS || error == EINVAL || error == EBADF;
}

}  // namespace

std::size_t page_bytes() noexcept {
  static constinit std::atomic<std::size_t> bytes = 0;  // everybody finds the same
  const std::size_t known = bytes.load(std::memory_order_relaxed);
  if (known != 0) [[likely]]
    return known;
  const auto asked = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  bytes.store(asked, std::memory_order_relaxed);
  return asked;
}

void* reserve(std::size_t bytes) noexcept {
  void* address = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address == MAP_FAILED ? nullptr : address;
}

int give_back(void* address, std::size_t bytes) noexcept { return as_errno(munmap(address, bytes)); }
int open(void* address, std::size_t bytes) noexcept {
  return as_errno(mprotect(address, bytes, PROT_READ | PROT_WRITE));
}
int close(void* address, std::size_t bytes) noexcept { return as_errno(mprotect(address, bytes, PROT_NONE)); }
int never_huge(void* address, std::size_t bytes) noexcept { return as_errno(madvise(address, bytes, MADV_NOHUGEPAGE)); }
int unlock(void* address, std::size_t bytes) noexcept { return as_errno(munlock(address, bytes)); }
int drop(void* address, std::size_t bytes) noexcept { return as_errno(madvise(address, bytes, MADV_DONTNEED)); }

int install_guards(const std::uintptr_t* addresses, std::size_t count, std::size_t bytes) noexcept {
  constexpr std::size_t most = 256;
  static bool batches_work = true;
  std::size_t done = 0;
  iovec ranges[most];
  while (batches_work && count - done > 1) {
    std::size_t part = std::min(count - done, most);
    for (std::size_t i = 0; i < part; ++i) ranges[i] = {reinterpret_cast<void*>(addresses[done + i]), bytes};
    long advised = advise_batch(ranges, part, madv_guard_install);
    if (advised < 0) {
      if (batches_are_refused(errno)) batches_work = false;
      break;
    }
    done += static_cast<std::size_t>(advised) / bytes;
    if (advised == 0) break;
  }
  for (; done < count; ++done) {
    if (madvise(reinterpret_cast<void*>(addresses[done]), bytes, madv_guard_install) != 0) return errno;
  }
  return 0;
}

int drop_ranges(const range* ranges, std::size_t count, hand_back when) noexcept {
  constexpr std::size_t most = 512;
  // Any thread may be here, and one refused batch may have met locked memory: only what can never work is remembered.
  static std::atomic<bool> batches_work{true};
  const int advice = when == hand_back::now ? MADV_DONTNEED : MADV_FREE;
  int error = 0;
  iovec vectors[most];
  for (std::size_t done = 0; done < count;) {
    const std::size_t part = std::min(count - done, most);
    std::size_t advised_ranges = 0;
    if (part > 1 && batches_work.load(std::memory_order_relaxed)) {
      for (std::size_t i = 0; i < part; ++i) {
        vectors[i] = {reinterpret_cast<void*>(ranges[done + i].address), ranges[done + i].bytes};
      }
      long advised = advise_batch(vectors, part, advice);
      if (advised < 0 && errno != EINVAL && batches_are_refused(errno)) batches_work.store(false);
      // A kernel before 6.13 says EINVAL, and locked memory does too: one range by itself tells which.
      const bool ambiguous = advised < 0 && errno == EINVAL;
      for (long bytes = advised; advised_ranges < part && bytes > 0; ++advised_ranges) {
        bytes -= static_cast<long>(ranges[done + advised_ranges].bytes);
      }
      if (advised_ranges == part) {
        done += part;
        continue;
      }
      if (ambiguous && as_errno(madvise(vectors[0].iov_base, vectors[0].iov_len, advice)) == 0) {
        batches_work.store(false);  // the first range alone goes: it is the batch that is refused
      }
    }
    for (; advised_ranges < part; ++advised_ranges) {
      const range& one = ranges[done + advised_ranges];
      const int refused = as_errno(madvise(reinterpret_cast<void*>(one.address), one.bytes, advice));
      if (refused != 0) error = refused;
    }
    done += part;
  }
  return error;
}

long resident_from_top(std::uintptr_t low, std::uintptr_t high) noexcept {
  constexpr std::size_t window = 256;
  unsigned char pages[window];
  const std::size_t page = page_bytes();
  long count = 0;
  std::uintptr_t top = (high + page - 1) & ~(page - 1);
  while (top > low) {
    std::uintptr_t bottom = std::max(low, top - std::min<std::uintptr_t>(top, window * page));
    std::size_t part = (top - bottom) / page;
    if (mincore(reinterpret_cast<void*>(bottom), top - bottom, pages) != 0) return -1;
    for (std::size_t i = part; i-- > 0;) {
      if ((pages[i] & 1) == 0) return count;
      ++count;
    }
    top = bottom;
  }
  return count;
}

std::uintptr_t lowest_resident(std::uintptr_t low, std::uintptr_t high) noexcept {
  constexpr std::size_t window = 256;
  unsigned char pages[window];
  const std::size_t page = page_bytes();
  for (std::uintptr_t from = low; from < high;) {
    const std::size_t bytes = std::min<std::size_t>(high - from, window * page);
    if (mincore(reinterpret_cast<void*>(from), bytes, pages) != 0) return high;
    for (std::size_t i = 0; i < (bytes + page - 1) / page; ++i) {
      if ((pages[i] & 1) != 0) return from + i * page;
    }
    from += bytes;
  }
  return high;
}

void guard_prober::abandon() noexcept {
  if (read_end_ >= 0) ::close(std::exchange(read_end_, -1));
  if (write_end_ >= 0) ::close(std::exchange(write_end_, -1));
}

int guard_prober::probe(std::uintptr_t address) noexcept {
  if (read_end_ < 0) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno;
    read_end_ = ends[0];
    write_end_ = ends[1];
  }
  // The byte is zero, and so is a page that nobody has touched: an unguarded page keeps its contents.
  char byte = 0;
  if (write(write_end_, &byte, 1) != 1) return errno;
  long got = read(read_end_, reinterpret_cast<void*>(address), 1);
  if (got == 1) return EEXIST;
  int refusal = errno;
  if (read(read_end_, &byte, 1) != 1) abandon();  // the byte that was refused
  return refusal == EFAULT ? 0 : refusal;
}

}  // namespace ramie::os
