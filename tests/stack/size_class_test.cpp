// The arithmetic of stack sizes.
#include "stack/size_class.hpp"

#include <gtest/gtest.h>

namespace {

using ramie::stack::class_for;
using ramie::stack::class_of;
using ramie::stack::size_class;

constexpr std::size_t page = 4096;

// aarch64 kernels have pages of 4, 16 or 64 KiB.
class page_size_test : public testing::TestWithParam<std::size_t> {
 protected:
  const std::size_t page = GetParam();
};
INSTANTIATE_TEST_SUITE_P(pages, page_size_test, testing::Values(4u << 10, 16u << 10, 64u << 10));

TEST_P(page_size_test, every_size_gets_at_least_what_it_asked_for_and_at_most_a_quarter_and_a_guard_more) {
  for (std::size_t bytes = 1; bytes <= ramie::stack::most_bytes; bytes += bytes / 37 + 1) {
    const size_class shape = class_for(bytes, page);
    ASSERT_GE(shape.usable_bytes(), bytes);
    ASSERT_LE(shape.stride_bytes, (bytes + page + shape.guard_bytes) * 5 / 4 + page) << bytes;
    ASSERT_EQ(shape.stride_bytes % page, 0U);
    ASSERT_LT(shape.index, ramie::stack::class_count);
  }
}

TEST_P(page_size_test, an_index_names_one_class) {
  for (std::size_t bytes = 1; bytes <= ramie::stack::most_bytes; bytes += bytes / 53 + 1) {
    const size_class shape = class_for(bytes, page);
    const size_class again = class_of(shape.index, page);
    ASSERT_EQ(again.stride_bytes, shape.stride_bytes) << bytes;
    ASSERT_EQ(again.guard_bytes, shape.guard_bytes) << bytes;
    ASSERT_EQ(class_for(shape.usable_bytes(), page).index, shape.index) << bytes;
  }
}

TEST(size_class_test, the_default_is_64_KiB_and_a_guard_page) {
  EXPECT_EQ(class_for(0, page).stride_bytes, 68U << 10);
  EXPECT_EQ(class_for(0, page).usable_bytes(), 64U << 10);
  EXPECT_EQ(class_for(12 << 10, page).stride_bytes, 16U << 10);
  EXPECT_EQ(class_for(1 << 20, page).guard_bytes, 64U << 10);
}

}  // namespace
