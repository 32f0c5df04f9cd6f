// A small ring whose answers nobody takes for a while: more of them than it has room for.
#include "os/ring.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace {

namespace os = ramie::os;

constexpr unsigned entries = 4;  // and 32 answers
constexpr std::size_t operations = 500;

class small_ring : public testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    ring = os::ring::open(entries, reason);
    if (ring == nullptr) {
      std::printf("skipped: io_uring: %s\n", reason.c_str());
      GTEST_SKIP();
    }
    always_ready = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    never_ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    seen.assign(operations, 0);
  }
  void TearDown() override {
    ::close(always_ready);
    ::close(never_ready);
  }
  static std::uint64_t tag_of(std::size_t i) { return i + 1; }

  // False: the kernel takes no more until answers have been taken.
  bool give(std::size_t i, int descriptor) {
    os::io_request asked;
    asked.events = os::readable;
    asked.descriptor = descriptor;
    while (!ring->push(asked, tag_of(i))) {
      const int refused = ring->submit();
      if (refused == -EBUSY || refused == -EAGAIN) return false;
      EXPECT_EQ(refused, 0);
    }
    return true;
  }
  // How many there were.
  std::size_t take_all(int expected) {
    std::array<os::ring_answer, 7> found;
    std::size_t total = 0;
    bool roused = false;
    while (const std::size_t count = ring->take(found.data(), found.size(), roused)) {
      for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(found[i].result, expected);
        ++seen.at(found[i].tag - 1);
      }
      total += count;
    }
    return total;
  }
  void submit_rest() {
    while (ring->has_batch()) {
      const int refused = ring->submit();
      EXPECT_TRUE(refused == 0 || refused == -EBUSY || refused == -EAGAIN) << refused;
      if (refused != 0) take_all(os::readable);
    }
  }
  // What the kernel keeps in a list of its own because the ring is full.
  [[nodiscard]] std::size_t kept_by_the_kernel() const {
    FILE* const told = std::fopen(("/proc/self/fdinfo/" + std::to_string(ring->descriptor())).c_str(), "re");
    std::array<char, 256> line;
    std::size_t kept = 0;
    bool in_list = false;
    while (told != nullptr && std::fgets(line.data(), line.size(), told) != nullptr) {
      const std::string text = line.data();
      if (in_list) kept += text.find("user_data=") != std::string::npos ? 1 : 0;
      in_list = in_list || text.find("CqOverflowList:") == 0;
    }
    if (told != nullptr) std::fclose(told);
    return kept;
  }
  void expect_each_once() const { EXPECT_EQ(seen, std::vector<int>(operations, 1)); }

  std::unique_ptr<os::ring> ring;
  int always_ready = -1, never_ready = -1;
  std::vector<int> seen;
};

TEST_F(small_ring, answers_that_find_no_room_are_kept_and_taken_later_each_once) {
  std::size_t taken = 0, most_kept = 0;
  for (std::size_t i = 0; i < operations; ++i) {
    while (!give(i, always_ready)) taken += take_all(os::readable);
    most_kept = std::max(most_kept, kept_by_the_kernel());
  }
  submit_rest();
  for (int round = 0; round < 1000 && taken < operations; ++round) taken += take_all(os::readable);
  expect_each_once();
  EXPECT_GT(most_kept, 0U) << "the ring was never full";
  std::printf("at most %zu of %zu answers found no room\n", most_kept, operations);
}

TEST_F(small_ring, all_called_off_at_once_are_answered_each_once) {
  for (std::size_t i = 0; i < operations; ++i) ASSERT_TRUE(give(i, never_ready));
  submit_rest();
  EXPECT_EQ(take_all(0), 0U);
  std::size_t taken = 0;
  for (std::size_t i = 0; i < operations; ++i) {
    while (!ring->push_cancel(tag_of(i))) {
      const int refused = ring->submit();
      ASSERT_TRUE(refused == 0 || refused == -EBUSY || refused == -EAGAIN) << refused;
      if (refused != 0) taken += take_all(-ECANCELED);
    }
  }
  EXPECT_EQ(ring->submit(), 0);
  EXPECT_GT(kept_by_the_kernel(), 0U) << "the ring was never full";
  for (int round = 0; round < 1000 && taken < operations; ++round) taken += take_all(-ECANCELED);
  expect_each_once();
}

}  // namespace
