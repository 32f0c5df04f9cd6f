#include "backtrace/frame.hpp"

namespace ramie::backtrace {

bool function_set::holds(std::uintptr_t identity) const noexcept {
  for (std::size_t at = 0; at < size_; ++at)
    if (members_[at] == identity) return true;
  return false;
}

bool function_set::add(std::uintptr_t identity) noexcept {
  if (holds(identity)) return true;
  if (size_ == capacity) {
    complete_ = false;
    return false;
  }
  members_[size_++] = identity;
  return true;
}

void trace::add(const frame& next) noexcept {
  ++total_;
  if (newest_count_ < newest_limit) {
    newest_[newest_count_++] = next;
    return;
  }
  if (oldest_count_ < oldest_limit) {
    oldest_[oldest_count_++] = next;
    return;
  }
  frame& leaving = oldest_[oldest_begin_];
  between_functions_.add(leaving.identity());
  leaving = next;
  oldest_begin_ = static_cast<std::uint8_t>((oldest_begin_ + 1) % oldest_limit);
}

}  // namespace ramie::backtrace
