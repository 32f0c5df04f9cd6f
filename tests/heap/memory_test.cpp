// The os half, and that a heap leaves no mapping behind.
#include "heap/heap_world.hpp"
#include "os/heap_memory.hpp"

#include <cstring>
#include <fstream>

namespace ramie::test {
namespace {

namespace os = ramie::os::heap_memory;

std::size_t mappings() {
  std::ifstream file("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return lines;
}

TEST(heap_memory, reserved_memory_is_aligned_opened_from_its_start_and_zero_again_after_discard) {
  constexpr std::size_t bytes = std::size_t{8} << 20;
  std::byte* begin = os::reserve(bytes, std::size_t{2} << 20);
  ASSERT_NE(begin, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(begin) % (std::size_t{2} << 20), 0u);
  ASSERT_EQ(os::open(begin, bytes / 2), 0);
  std::memset(begin, 7, bytes / 2);
  ASSERT_EQ(os::discard(begin, bytes / 2), 0);
  EXPECT_EQ(begin[0], std::byte{0});
  EXPECT_EQ(begin[bytes / 2 - 1], std::byte{0});
  EXPECT_DEATH(begin[bytes - 1] = std::byte{1}, "");
  os::release(begin, bytes);
}

TEST(heap_memory, what_cannot_be_reserved_is_a_null_pointer) {
  EXPECT_EQ(os::reserve(std::size_t{1} << 60, os::page_bytes), nullptr);
}

TEST(heap_memory, a_page_wiped_on_fork_is_zero_in_a_child_only) {
  std::byte* page = os::map_wiped_on_fork();
  if (page == nullptr) {
    std::printf("skipped: a page that a fork wipes: MADV_WIPEONFORK is refused\n");
    GTEST_SKIP();
  }
  *page = std::byte{1};
  EXPECT_EQ(in_child([&] { return static_cast<int>(*page); }), 0);
  EXPECT_EQ(*page, std::byte{1});
  os::release(page, os::page_bytes);
}

TEST(heap_memory, memory_use_sees_a_page_that_is_written) {
  const auto before = os::read_memory_use(0);
  if (!before) {
    std::printf("skipped: memory use: /proc/self/smaps_rollup cannot be read\n");
    GTEST_SKIP();
  }
  constexpr std::size_t bytes = std::size_t{16} << 20;
  std::byte* begin = os::reserve(bytes, os::page_bytes);
  ASSERT_EQ(os::open(begin, bytes), 0);
  std::memset(begin, 1, bytes);
  const auto after = os::read_memory_use(0);
  EXPECT_GE(after->private_dirty_bytes, before->private_dirty_bytes + bytes);
  EXPECT_GE(after->resident_bytes, before->resident_bytes + bytes);
  os::release(begin, bytes);
  EXPECT_FALSE(os::read_memory_use(-5));
}

TEST(heap_memory, a_heap_leaves_no_mapping_behind_and_few_while_it_lives) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  std::printf("skipped: mappings left behind: a sanitizer makes mappings of its own\n");
  GTEST_SKIP();
#endif
  { heap warm_up; }
  const std::size_t before = mappings();
  {
    heap h;
    root<node> list = make_list(h, 300'000);
    h.freeze();
    static_cast<void>(make_list(h, 100'000));
    h.collect();
    EXPECT_LE(mappings(), before + 24);
  }
  EXPECT_EQ(mappings(), before);
}

TEST(heap_memory, a_freeze_gives_empty_blocks_back) {
  heap h({.collect_automatically = false});
  for (int at = 0; at < 1'000'000; ++at) static_cast<void>(h.make<node>());
  root<node> kept = h.make<node>();
  const auto before = os::read_memory_use(0);
  if (!before) GTEST_SKIP();
  h.freeze();
  EXPECT_LT(os::read_memory_use(0)->resident_bytes + (std::size_t{28} << 20), before->resident_bytes);
}

}  // namespace
}  // namespace ramie::test
