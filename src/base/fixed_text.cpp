#include "base/fixed_text.hpp"

#include <array>

namespace ramie {

fixed_text& fixed_text::add(std::string_view text) noexcept {
  if (text.size() > room()) {
    truncated_ = true;
    text = text.substr(0, room());
  }
  // A loop and not memcpy: sanitizers replace memcpy by something that is not safe in a handler.
  for (char letter : text) memory_[size_++] = letter;
  return *this;
}

namespace {

// Digits from the last to the first, with `separator` before every third when it is not 0.
struct digits {
  std::array<char, 32> memory;
  std::size_t begin = memory.size();

  void put_front(char letter) { memory[--begin] = letter; }
  digits(std::uint64_t number, unsigned base, char separator) {
    unsigned count = 0;
    do {
      if (separator != 0 && count != 0 && count % 3 == 0) put_front(separator);
      put_front("0123456789abcdef"[number % base]);
      number /= base;
      ++count;
    } while (number != 0);
  }
  [[nodiscard]] std::string_view view() const { return {memory.data() + begin, memory.size() - begin}; }
};

}  // namespace

fixed_text& fixed_text::add_count(std::uint64_t number) noexcept { return add(digits(number, 10, ',').view()); }

fixed_text& fixed_text::add_decimal(std::uint64_t number, std::size_t width) noexcept {
  const digits text(number, 10, 0);
  for (std::size_t have = text.view().size(); have < width; ++have) add(' ');
  return add(text.view());
}

fixed_text& fixed_text::add_hex(std::uint64_t number) noexcept { return add("0x").add(digits(number, 16, 0).view()); }

fixed_text& fixed_text::add_shortened(std::string_view text, std::size_t limit) noexcept {
  constexpr std::string_view cut = "...";
  if (text.size() <= limit || limit <= cut.size()) return add(text.substr(0, limit));
  const std::size_t kept = limit - cut.size();
  const std::size_t front = kept - kept / 2;
  return add(text.substr(0, front)).add(cut).add(text.substr(text.size() - kept / 2));
}

void fixed_text::shrink(std::size_t size) noexcept {
  if (size < size_) size_ = size;
  truncated_ = false;
}

}  // namespace ramie
