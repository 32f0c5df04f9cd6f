// What Debian 12's kernel does and does not do: the facts that the older rungs of the guard ladder stand on.
//
// They are about 6.1 only: elsewhere every case is skipped. Inside tests/guest/run (RAMIE_GUEST is set) another kernel
// is a failure, or a guest that boots the wrong one would pass by skipping.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

constexpr int advice_guard_install = 102;    // MADV_GUARD_INSTALL, Linux 6.13
constexpr int userfault_user_mode_only = 1;  // UFFD_USER_MODE_ONLY, Linux 5.11

std::string kernel_release() {
  utsname names;
  return uname(&names) == 0 ? names.release : "";
}

// True when the kernel refuses to write into the page: a one-byte read from a pipe answers EFAULT, and no signal comes.
bool kernel_refuses_to_write(char* page) {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) return false;
  EXPECT_EQ(write(pipe_ends[1], "x", 1), 1);
  const ssize_t got = read(pipe_ends[0], page, 1);
  const int error = errno;
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  if (got == 1) return false;
  EXPECT_EQ(error, EFAULT);
  return error == EFAULT;
}

class debian_12_kernel : public testing::Test {
 protected:
  void SetUp() override {
    const std::string release = kernel_release();
    if (release.starts_with("6.1.")) return;
    ASSERT_EQ(std::getenv("RAMIE_GUEST"), nullptr) << "the guest booted " << release << ", not 6.1";
    std::printf("skipped: facts about Linux 6.1: this is %s\n", release.c_str());
    GTEST_SKIP();
  }
};

// Two anonymous pages, the first registered for write protection with a userfaultfd as the stack room opens it.
class write_protection : public debian_12_kernel {
 protected:
  void SetUp() override {
    debian_12_kernel::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    page_bytes_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* memory = mmap(nullptr, 2 * page_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    page_ = static_cast<char*>(memory);
    userfault_ = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | userfault_user_mode_only));
    ASSERT_GE(userfault_, 0);
    uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_PAGEFAULT_FLAG_WP, .ioctls = 0};
    ASSERT_EQ(ioctl(userfault_, UFFDIO_API, &api), 0);
    uffdio_register range = {};
    range.range = {reinterpret_cast<std::uintptr_t>(page_), page_bytes_};
    range.mode = UFFDIO_REGISTER_MODE_WP;
    ASSERT_EQ(ioctl(userfault_, UFFDIO_REGISTER, &range), 0);
  }
  void TearDown() override {
    if (userfault_ >= 0) close(userfault_);
    if (page_ != nullptr) munmap(page_, 2 * page_bytes_);
  }
  int protect() {
    uffdio_writeprotect range = {};
    range.range = {reinterpret_cast<std::uintptr_t>(page_), page_bytes_};
    range.mode = UFFDIO_WRITEPROTECT_MODE_WP;
    return ioctl(userfault_, UFFDIO_WRITEPROTECT, &range);
  }

  std::size_t page_bytes_ = 0;
  char* page_ = nullptr;
  int userfault_ = -1;
};

TEST_F(debian_12_kernel, says_that_it_is_6_1) { EXPECT_TRUE(kernel_release().starts_with("6.1.")); }

TEST_F(debian_12_kernel, refuses_guard_markers) {
  const auto page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  EXPECT_EQ(madvise(memory, page_bytes, advice_guard_install), -1);
  EXPECT_EQ(errno, EINVAL);
  munmap(memory, page_bytes);
}

TEST_F(write_protection, of_an_untouched_page_succeeds_and_protects_nothing) {
  EXPECT_EQ(protect(), 0);
  EXPECT_FALSE(kernel_refuses_to_write(page_));
}

TEST_F(write_protection, of_a_page_that_was_read_protects_it) {
  EXPECT_EQ(*static_cast<volatile char*>(page_), 0);
  EXPECT_EQ(protect(), 0);
  EXPECT_TRUE(kernel_refuses_to_write(page_));
  EXPECT_FALSE(kernel_refuses_to_write(page_ + page_bytes_));
}

}  // namespace
