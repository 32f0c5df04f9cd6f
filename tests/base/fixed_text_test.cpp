#include "base/fixed_text.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace ramie {
namespace {

TEST(fixed_text, adds_text_and_numbers) {
  std::array<char, 128> memory;
  fixed_text text(memory);
  text.add("a ").add('b').add(' ').add_decimal(42).add(' ').add_decimal(7, 4).add(' ').add_hex(0x1a2b).add(' ').add_hex(
      0);
  EXPECT_EQ(text.view(), "a b 42    7 0x1a2b 0x0");
  EXPECT_FALSE(text.truncated());
}

TEST(fixed_text, writes_counts_in_groups_of_three) {
  std::array<char, 128> memory;
  fixed_text text(memory);
  text.add_count(0).add(' ').add_count(999).add(' ').add_count(1832).add(' ').add_count(1000000);
  EXPECT_EQ(text.view(), "0 999 1,832 1,000,000");
  text.shrink(0);
  text.add_count(UINT64_MAX).add(' ').add_decimal(UINT64_MAX).add(' ').add_hex(UINT64_MAX);
  EXPECT_EQ(text.view(), "18,446,744,073,709,551,615 18446744073709551615 0xffffffffffffffff");
}

TEST(fixed_text, cuts_off_what_does_not_fit_and_says_so) {
  std::array<char, 4> memory;
  fixed_text text(memory);
  text.add("abc");
  EXPECT_FALSE(text.truncated());
  text.add("def").add("ghi");
  EXPECT_TRUE(text.truncated());
  EXPECT_EQ(text.view(), "abcd");
  text.shrink(1);
  EXPECT_FALSE(text.truncated());
  EXPECT_EQ(text.view(), "a");
}

TEST(fixed_text, shortens_long_text_in_its_middle) {
  std::array<char, 64> memory;
  fixed_text text(memory);
  text.add_shortened("0123456789", 10).add(' ').add_shortened("0123456789", 9).add(' ').add_shortened("0123456789", 2);
  EXPECT_EQ(text.view(), "0123456789 012...789 01");
}

TEST(fixed_text, in_no_memory_stays_empty) {
  fixed_text text({});
  text.add("abc").add_decimal(1);
  EXPECT_TRUE(text.truncated());
  EXPECT_EQ(text.view(), "");
}

}  // namespace
}  // namespace ramie
