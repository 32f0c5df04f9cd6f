// Text built in memory that somebody else owns: what a signal handler can afford.
//
// Never allocates, never locks, never calls libc: every function here may be called in a signal handler, on any thread
// that owns the text. What does not fit is cut off and truncated() says so; the text is always valid up to size().
// snprintf was rejected: it may allocate and reads the locale.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ramie {

class fixed_text {
 public:
  explicit fixed_text(std::span<char> memory) noexcept : memory_(memory) {}

  fixed_text& add(std::string_view text) noexcept;
  fixed_text& add(char letter) noexcept { return add(std::string_view(&letter, 1)); }

  // 1234567 as "1,234,567": for people.
  fixed_text& add_count(std::uint64_t number) noexcept;
  // 1234567 as "1234567", padded with spaces on the left to `width`.
  fixed_text& add_decimal(std::uint64_t number, std::size_t width = 0) noexcept;
  // 0x1a2b
  fixed_text& add_hex(std::uint64_t number) noexcept;
  // At most `limit` bytes of the text; what is cut out of its middle is shown as "...".
  fixed_text& add_shortened(std::string_view text, std::size_t limit) noexcept;

  [[nodiscard]] std::string_view view() const noexcept { return {memory_.data(), size_}; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t room() const noexcept { return memory_.size() - size_; }
  [[nodiscard]] bool truncated() const noexcept { return truncated_; }
  // Back to an earlier size(); forgets that something was cut off.
  void shrink(std::size_t size) noexcept;

 private:
  std::span<char> memory_;
  std::size_t size_ = 0;
  bool truncated_ = false;
};

}  // namespace ramie
