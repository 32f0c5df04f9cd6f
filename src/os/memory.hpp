// Address space: reserving, opening, advising, and what the kernel thinks of a page.
//
// Any thread. Values in, an errno out (0 is success); no policy, no exceptions, no allocation, so that it can be called
// from a signal handler or a forked child.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ramie::os {

// The size of a page here, in bytes; read once.
std::size_t page_bytes() noexcept;

// Address space that nothing may touch yet and that no commit limit counts. Null when refused (errno says why).
void* reserve(std::size_t bytes) noexcept;
int give_back(void* address, std::size_t bytes) noexcept;

// Makes part of a reservation readable and writable; still no memory is taken.
int open(void* address, std::size_t bytes) noexcept;
// Makes it untouchable again.
int close(void* address, std::size_t bytes) noexcept;

int never_huge(void* address, std::size_t bytes) noexcept;  // MADV_NOHUGEPAGE
int unlock(void* address, std::size_t bytes) noexcept;      // undoes mlockall(MCL_FUTURE) for this range
int drop(void* address, std::size_t bytes) noexcept;        // MADV_DONTNEED

// A piece of address space.
struct range {
  std::uintptr_t address;
  std::size_t bytes;
};
// Hands the memory of all ranges back to the kernel, which zeroes it: at once (MADV_DONTNEED), or when memory is short
// and the pages were not written again (MADV_FREE). One system call for 512 ranges where process_madvise is allowed
// for oneself (Linux 6.13), else one each. Goes on after a refusal (locked memory); 0 or the last errno.
enum class hand_back { now, when_short };
int drop_ranges(const range* ranges, std::size_t count, hand_back when) noexcept;

// Guard markers (MADV_GUARD_INSTALL, Linux 6.13): `bytes` at each of `count` addresses. One system call where
// process_madvise is allowed, else one each. Stops at the first refusal.
int install_guards(const std::uintptr_t* addresses, std::size_t count, std::size_t bytes) noexcept;

// Pages of [address, address + bytes) that are in memory, counted from the top down to the first that is not; what a
// stack has used. -1 when the kernel does not say.
long resident_from_top(std::uintptr_t low, std::uintptr_t high) noexcept;

// The lowest page of [low, high) that is in memory; `high` when none is, or the kernel does not say.
std::uintptr_t lowest_resident(std::uintptr_t low, std::uintptr_t high) noexcept;

// Asks the kernel to write one byte at `address` and tells whether it refused: the only proof that a page is guarded.
// Never faults. A page that was not guarded keeps its contents (but becomes resident).
class guard_prober {
 public:
  constexpr guard_prober() noexcept = default;  // its pipe is made at the first probe
  ~guard_prober() { abandon(); }
  guard_prober(const guard_prober&) = delete;
  guard_prober& operator=(const guard_prober&) = delete;

  // 0: the kernel answers EFAULT there; EEXIST: the page can be written; another errno: no pipe to try it with.
  int probe(std::uintptr_t address) noexcept;
  // Closes the pipe, which a forked child must not share.
  void abandon() noexcept;

 private:
  int read_end_ = -1, write_end_ = -1;
};

}  // namespace ramie::os
