#include "stack/size_class.hpp"

#include <algorithm>
#include <bit>

namespace ramie::stack {

namespace {

constexpr std::size_t wide_guard_from = std::size_t{256} << 10;
constexpr std::size_t wide_guard = std::size_t{64} << 10;

std::size_t guard_bytes_for(std::size_t usable, std::size_t page_bytes) noexcept {
  return usable >= wide_guard_from ? std::max(wide_guard, page_bytes) : page_bytes;
}

// The smallest class whose stride is at least so many pages.
size_class class_of_pages(std::size_t pages, std::size_t page_bytes) noexcept {
  if (pages <= dense_pages) return class_of(static_cast<int>(pages), page_bytes);
  const int exponent = static_cast<int>(std::bit_width(pages - 1)) - 1;  // 2^exponent < pages <= 2^(exponent + 1)
  const std::size_t base = std::size_t{1} << exponent, quarter = base / 4;
  const int steps = static_cast<int>((pages - base + quarter - 1) / quarter);  // 1 to 4
  return class_of(static_cast<int>(dense_pages) + (exponent - 4) * 4 + steps, page_bytes);
}

}  // namespace

size_class class_of(int index, std::size_t page_bytes) noexcept {
  std::size_t pages = static_cast<std::size_t>(index);
  if (pages > dense_pages) {
    // Quarters of the doubling above 2^exponent pages; see class_for().
    const std::size_t steps = (pages - dense_pages - 1) % 4 + 1;
    const std::size_t exponent = (pages - dense_pages - 1) / 4 + 4;
    pages = (std::size_t{1} << exponent) + steps * (std::size_t{1} << (exponent - 2));
  }
  const std::size_t stride = pages * page_bytes;
  return {index, stride, guard_bytes_for(stride - page_bytes, page_bytes)};
}

size_class class_for(std::size_t usable, std::size_t page_bytes) noexcept {
  if (usable == 0) usable = default_bytes;
  usable = std::max(usable, least_bytes);
  // The class decides how wide the guard is, and rounding up may have made it wide.
  const size_class narrow = class_of_pages((usable + page_bytes + page_bytes - 1) / page_bytes, page_bytes);
  if (narrow.usable_bytes() >= usable) return narrow;
  return class_of_pages((usable + std::max(wide_guard, page_bytes) + page_bytes - 1) / page_bytes, page_bytes);
}

}  // namespace ramie::stack
