// Reads the compiler's tables byte by byte: nothing in them is aligned.
//
// Over the end it reads zeros and failed() tells; so callers check once, at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ramie::backtrace {

class byte_reader {
 public:
  byte_reader(const std::uint8_t* begin, const std::uint8_t* end) noexcept : at_(begin), end_(end) {}

  template <typename Number>
  Number fixed() noexcept {
    Number number = 0;
    if (static_cast<std::size_t>(end_ - at_) < sizeof number) {
      fail();
      return 0;
    }
    __builtin_memcpy(&number, at_, sizeof number);
    at_ += sizeof number;
    return number;
  }
  std::uint8_t byte() noexcept { return fixed<std::uint8_t>(); }

  std::uint64_t unsigned_leb() noexcept { return leb().value; }
  std::int64_t signed_leb() noexcept {
    const leb_number got = leb();
    std::uint64_t value = got.value;
    if (got.bits < 64 && (got.last & 0x40) != 0) value |= ~std::uint64_t{0} << got.bits;
    return static_cast<std::int64_t>(value);
  }

  void skip(std::uint64_t bytes) noexcept {
    if (bytes > static_cast<std::uint64_t>(end_ - at_)) return fail();
    at_ += bytes;
  }
  // Moves by a signed distance; `begin` bounds it below.
  void move(std::int64_t bytes, const std::uint8_t* begin) noexcept {
    if (bytes < begin - at_ || bytes > end_ - at_) return fail();
    at_ += bytes;
  }

  [[nodiscard]] const std::uint8_t* at() const noexcept { return at_; }
  [[nodiscard]] bool more() const noexcept { return at_ < end_; }
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  struct leb_number {
    std::uint64_t value;
    unsigned bits;
    std::uint8_t last;
  };
  leb_number leb() noexcept {
    leb_number number = {0, 0, 0};
    do {
      number.last = byte();
      if (number.bits < 64) number.value |= static_cast<std::uint64_t>(number.last & 0x7f) << number.bits;
      number.bits += 7;
    } while ((number.last & 0x80) != 0);
    return number;
  }
  void fail() noexcept {
    failed_ = true;
    at_ = end_;
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool failed_ = false;
};

}  // namespace ramie::backtrace
