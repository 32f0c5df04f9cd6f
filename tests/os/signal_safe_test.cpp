#include "os/signal_safe.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <thread>

namespace ramie::os {
namespace {

TEST(write_all, waits_for_a_full_pipe_that_does_not_block) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
  const std::string text(200'000, 'x');
  std::string received;
  std::thread reader([&] {
    std::array<char, 4096> memory;
    while (received.size() < text.size()) {
      const ssize_t got = read(ends[0], memory.data(), memory.size());
      if (got > 0) received.append(memory.data(), static_cast<std::size_t>(got));
    }
  });
  errno = 77;
  EXPECT_EQ(write_all(ends[1], text), 0);
  EXPECT_EQ(errno, 77);
  reader.join();
  EXPECT_EQ(received, text);
  EXPECT_EQ(close(ends[0]), 0);
  EXPECT_EQ(close(ends[1]), 0);
}

TEST(write_all, answers_the_error_and_keeps_errno) {
  errno = 77;
  EXPECT_EQ(write_all(-1, "text"), EBADF);
  EXPECT_EQ(errno, 77);
}

TEST(read_file, gives_what_fits_and_nothing_for_a_missing_file) {
  std::array<char, 8> memory;
  EXPECT_EQ(read_file("/proc/self/maps", memory).size(), memory.size());
  EXPECT_EQ(read_file("/nonexistent", memory), "");
}

TEST(mapping_of, finds_the_mapping_and_its_end) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  auto* memory = static_cast<char*>(mmap(nullptr, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_EQ(mprotect(memory + page, 2 * page, PROT_READ | PROT_WRITE), 0);
  const address_range found = mapping_of(reinterpret_cast<std::uintptr_t>(memory + page + 5));
  EXPECT_EQ(found.low, reinterpret_cast<std::uintptr_t>(memory + page));
  EXPECT_EQ(found.high, reinterpret_cast<std::uintptr_t>(memory + 3 * page));
  EXPECT_TRUE(mapping_of(reinterpret_cast<std::uintptr_t>(memory)).empty()) << "not readable";
  munmap(memory, 4 * page);
  EXPECT_TRUE(mapping_of(reinterpret_cast<std::uintptr_t>(memory)).empty());
  EXPECT_TRUE(mapping_of(0).empty());
}

TEST(mapping_of, finds_the_stack_of_the_thread) {
  int here = 0;
  const auto address = reinterpret_cast<std::uintptr_t>(&here);
  EXPECT_TRUE(mapping_of(address).holds(address));
}

}  // namespace
}  // namespace ramie::os
