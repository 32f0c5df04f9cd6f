#include "os/memory.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

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

long guard_batch(const iovec* ranges, std::size_t count) noexcept {
  static bool self_constant_works = true;
  if (self_constant_works) {
    long done = syscall(SYS_process_madvise, pidfd_self_process, ranges, count, madv_guard_install, 0);
    if (done >= 0 || errno != EBADF) return done;
    self_constant_works = false;
  }
  return syscall(SYS_process_madvise, own_pidfd(), ranges, count, madv_guard_install, 0);
}

}  // namespace

std::size_t page_bytes() noexcept {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
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
    long advised = guard_batch(ranges, part);
    if (advised < 0) {
      // Forbidden (containers), unknown, or not for oneself (before 6.13): one call each from now on.
      if (errno == EPERM || errno == ENOSYS || errno == EINVAL || errno == EBADF) batches_work = false;
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

guard_prober::guard_prober() noexcept { renew(); }
guard_prober::~guard_prober() {
  if (read_end_ >= 0) ::close(read_end_);
  if (write_end_ >= 0) ::close(write_end_);
}

void guard_prober::renew() noexcept {
  if (read_end_ >= 0) ::close(read_end_);
  if (write_end_ >= 0) ::close(write_end_);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    read_end_ = write_end_ = -1;
    return;
  }
  read_end_ = ends[0];
  write_end_ = ends[1];
}

int guard_prober::probe(std::uintptr_t address) noexcept {
  if (read_end_ < 0) renew();
  if (read_end_ < 0) return errno;
  // The byte is zero, and so is a page that nobody has touched: an unguarded page keeps its contents.
  char byte = 0;
  if (write(write_end_, &byte, 1) != 1) return errno;
  long got = read(read_end_, reinterpret_cast<void*>(address), 1);
  if (got == 1) return EEXIST;
  int refusal = errno;
  if (read(read_end_, &byte, 1) != 1) renew();  // the byte that was refused
  return refusal == EFAULT ? 0 : refusal;
}

}  // namespace ramie::os
