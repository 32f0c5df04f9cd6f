#include "backtrace/fold.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace ramie::backtrace {
namespace {

// A trace of one letter for each frame, newest first; every letter is a function, its pc differs from call to call.
trace of(const std::string& letters) {
  trace frames;
  std::uintptr_t call = 0;
  for (char letter : letters) {
    const auto function = static_cast<std::uintptr_t>(letter) << 8;
    frames.add({.pc = function + 1 + call++ % 3, .function = function, .exact = false});
  }
  frames.end(ending::bottom);
  return frames;
}

std::string repeat(const std::string& letters, int times) {
  std::string text;
  for (int at = 0; at < times; ++at) text += letters;
  return text;
}

// The folded trace as text: "a b (98 of 2) main" with frames as letters.
std::string folded(const trace& frames) {
  std::array<folded_line, folded_line_limit> lines;
  std::string text;
  for (const folded_line& line : fold(frames, lines)) {
    if (!text.empty()) text += ' ';
    switch (line.what) {
      case folded_line::kind::frame:
        text += static_cast<char>(line.at.function >> 8);
        break;
      case folded_line::kind::repeated:
        text.append("(")
            .append(std::to_string(line.number))
            .append(" of ")
            .append(std::to_string(line.functions))
            .append(")");
        break;
      case folded_line::kind::left_out:
        text.append("[").append(std::to_string(line.number)).append("]");
        break;
    }
  }
  return text;
}

TEST(fold, leaves_a_plain_trace_as_it_is) { EXPECT_EQ(folded(of("abcdefgh")), "a b c d e f g h"); }

TEST(fold, of_nothing_is_nothing) { EXPECT_EQ(folded(of("")), ""); }

TEST(fold, leaves_a_short_recursion_as_it_is) { EXPECT_EQ(folded(of("xrrrrrm")), "x r r r r r m"); }

TEST(fold, shows_a_recursion_once) {
  EXPECT_EQ(folded(of("x" + repeat("r", 30) + "m")), "x r (29 of 1) m");
  EXPECT_EQ(folded(of("x" + repeat("ab", 15) + "m")), "x a b (28 of 2) m");
}

TEST(fold, goes_on_over_the_frames_left_out) {
  EXPECT_EQ(folded(of("x" + repeat("r", 100'000) + "mn")), "x r (99999 of 1) m n");
  EXPECT_EQ(folded(of(repeat("ab", 917) + "amn")), "a b (1833 of 2) m n");
  EXPECT_EQ(folded(of("xy" + repeat("abcdefgh", 1000) + "m")), "x y a b c d e f g h (7992 of 8) m");
}

TEST(fold, of_a_recursion_without_a_pattern_counts_functions) {
  EXPECT_EQ(folded(of("x" + repeat("abaabbabababbaab", 100) + "m")), "x a b (1598 of 2) m");
}

TEST(fold, does_not_swallow_a_function_that_comes_once) {
  EXPECT_EQ(folded(of("m" + repeat("r", 20) + "n" + repeat("s", 15))), "m r (19 of 1) n s (14 of 1)");
}

TEST(fold, counts_what_it_cannot_name) {
  std::string many;
  for (int at = 0; at < 200; ++at) many += static_cast<char>('!' + at % 90);
  const std::string text = folded(of(many));
  EXPECT_NE(text.find("[160]"), std::string::npos) << text;
}

TEST(fold, numbers_the_frames_behind_a_gap_by_their_place) {
  const trace frames = of(repeat("r", 1000) + "m");
  std::array<folded_line, folded_line_limit> lines;
  const auto result = fold(frames, lines);
  ASSERT_EQ(result.size(), 3U);
  EXPECT_EQ(result[0].number, 0U);
  EXPECT_EQ(result[2].number, 1000U);
}

TEST(trace, keeps_the_newest_and_the_oldest) {
  const trace frames = of(repeat("x", 32) + repeat("y", 5) + "abcdefgh");
  EXPECT_EQ(frames.total(), 45U);
  EXPECT_EQ(frames.between(), 5U);
  EXPECT_EQ(frames.oldest(0).function >> 8, static_cast<unsigned>('a'));
  EXPECT_EQ(frames.oldest(7).function >> 8, static_cast<unsigned>('h'));
  EXPECT_EQ(frames.between_functions().size(), 1U);
}

}  // namespace
}  // namespace ramie::backtrace
