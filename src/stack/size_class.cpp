#include "stack/size_class.hpp"

#include <algorithm>
#include <bit>

namespace ramie::stack {

size_class class_for(std::size_t usable, std::size_t page_bytes) noexcept {
  if (usable == 0) usable = default_bytes;
  usable = std::max(usable, least_bytes);
  const std::size_t wide_guard = std::size_t{64} << 10;
  const std::size_t guard = usable >= (std::size_t{256} << 10) ? std::max(wide_guard, page_bytes) : page_bytes;
  const std::size_t pages = (usable + guard + page_bytes - 1) / page_bytes;
  if (pages <= dense_pages) return {static_cast<int>(pages), pages * page_bytes, guard};

  // Quarters of the doubling that `pages` lies in: 2^k < pages <= 2^(k+1), steps of 2^k / 4.
  const int exponent = static_cast<int>(std::bit_width(pages - 1)) - 1;
  const std::size_t base = std::size_t{1} << exponent, step = std::max<std::size_t>(base / 4, 1);
  const std::size_t steps = (pages - base + step - 1) / step;  // 1 to 4
  const int index = static_cast<int>(dense_pages) + (exponent - 4) * 4 + static_cast<int>(steps);
  return {index, (base + steps * step) * page_bytes, guard};
}

}  // namespace ramie::stack
