#include "os/userfault.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ramie::os {
namespace {

// Names that Debian 12's headers (6.1) do not have yet.
constexpr std::uint64_t feature_pagefault_wp = 1U << 0;
constexpr std::uint64_t feature_sigbus = 1U << 7;
constexpr std::uint64_t feature_wp_unpopulated = 1U << 13;
constexpr std::uint64_t feature_poison = 1U << 14;
constexpr int user_mode_only = 1;
struct poison_request {
  uffdio_range range;
  std::uint64_t mode;
  std::int64_t updated;
};
#define RAMIE_UFFDIO_POISON _IOWR(UFFDIO, 0x08, poison_request)

int make_descriptor() noexcept {
  // User mode only needs no privilege (5.11). The kernel's own accesses to a guard then fail with EFAULT.
  int descriptor = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | user_mode_only));
  if (descriptor < 0 && errno == EINVAL) {
    descriptor = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
  }
  return descriptor;
}

}  // namespace

int userfault::open(unsigned wanted) noexcept {
  abandon();
  // Asking for an unknown feature spoils the descriptor, so the kernel is asked first what it knows.
  int asking = make_descriptor();
  if (asking < 0) return errno;
  uffdio_api api{};
  api.api = UFFD_API;
  int status = ioctl(asking, UFFDIO_API, &api) == 0 ? 0 : errno;
  ::close(asking);
  if (status != 0) return status;
  std::uint64_t features = feature_sigbus;
  if ((wanted & write_protect) != 0) features |= feature_pagefault_wp;
  if ((wanted & write_protect_unpopulated) != 0) features |= feature_wp_unpopulated;
  if ((wanted & poison) != 0) features |= feature_poison;
  if ((api.features & features) != features) return EOPNOTSUPP;

  descriptor_ = make_descriptor();
  if (descriptor_ < 0) return errno;
  api = {};
  api.api = UFFD_API;
  api.features = features;
  if (ioctl(descriptor_, UFFDIO_API, &api) != 0) {
    status = errno;
    abandon();
    return status;
  }
  struct stat about {};
  if (fstat(descriptor_, &about) == 0) inode_ = about.st_ino;
  return 0;
}

void userfault::abandon() noexcept {
  if (descriptor_ >= 0 && still_ours()) ::close(descriptor_);
  descriptor_ = -1;
}

bool userfault::still_ours() const noexcept {
  struct stat about {};
  return descriptor_ >= 0 && fstat(descriptor_, &about) == 0 && about.st_ino == inode_;
}

int userfault::watch(void* address, std::size_t bytes) noexcept {
  uffdio_register request{};
  request.range = {reinterpret_cast<std::uintptr_t>(address), bytes};
  request.mode = UFFDIO_REGISTER_MODE_WP;
  return ioctl(descriptor_, UFFDIO_REGISTER, &request) == 0 ? 0 : errno;
}

int userfault::protect(std::uintptr_t address, std::size_t bytes) noexcept {
  uffdio_writeprotect request{};
  request.range = {address, bytes};
  request.mode = UFFDIO_WRITEPROTECT_MODE_WP;
  return ioctl(descriptor_, UFFDIO_WRITEPROTECT, &request) == 0 ? 0 : errno;
}

int userfault::poison_page(std::uintptr_t address, std::size_t bytes) noexcept {
  poison_request request{};
  request.range = {address, bytes};
  return ioctl(descriptor_, RAMIE_UFFDIO_POISON, &request) == 0 ? 0 : errno;
}

}  // namespace ramie::os
