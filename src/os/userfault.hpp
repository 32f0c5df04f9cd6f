// userfaultfd, for guards on kernels before 6.13: pages that may not be written, marked in page tables.
//
// One descriptor for the process. After fork it acts on the parent's memory, so a child's first act is abandon().
// Any thread, but the owner serialises open() and abandon().
#pragma once

#include <cstddef>
#include <cstdint>

namespace ramie::os {

class userfault {
 public:
  // What a kernel can do: asked of the kernel by its feature bits, and believed only when a probe agrees.
  enum feature : unsigned { write_protect = 1, write_protect_unpopulated = 2, poison = 4 };

  userfault() = default;
  userfault(const userfault&) = delete;
  userfault& operator=(const userfault&) = delete;
  ~userfault() { abandon(); }

  // Opens the descriptor with the wanted features, faults answered by SIGBUS. 0, or an errno.
  int open(unsigned wanted) noexcept;
  // Closes the descriptor. Protection by write_protect ends with it.
  void abandon() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }
  // Whether the descriptor is still the one we opened: closefrom() and daemonisers close what they do not know.
  [[nodiscard]] bool still_ours() const noexcept;

  int watch(void* address, std::size_t bytes) noexcept;                 // registers a range, write-protect mode
  int protect(std::uintptr_t address, std::size_t bytes) noexcept;      // UFFDIO_WRITEPROTECT
  int poison_page(std::uintptr_t address, std::size_t bytes) noexcept;  // UFFDIO_POISON

 private:
  int descriptor_ = -1;
  unsigned long inode_ = 0;
};

}  // namespace ramie::os
