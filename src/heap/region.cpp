#include "heap/region.hpp"

#include <ramie/heap/types.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace ramie::heaps {

namespace os = ramie::os::heap_memory;

namespace {
std::size_t round_up(std::size_t bytes, std::size_t step) { return (bytes + step - 1) / step * step; }
}  // namespace

region::region(std::size_t bytes, std::size_t alignment_bytes, std::size_t step_bytes, const char* purpose)
    : reserved_bytes_(round_up(bytes, step_bytes)), step_bytes_(step_bytes) {
  begin_ = os::reserve(reserved_bytes_, std::max(alignment_bytes, os::page_bytes));
  if (begin_ != nullptr) return;
  const std::string reason = std::strerror(errno);
  throw heap_full("heap: mmap of " + std::to_string(reserved_bytes_) + " bytes of address space for " + purpose +
                      " failed: " + reason + "; raise `ulimit -v` or lower heap_options::reserve_bytes",
                  reserved_bytes_, 0, 0);
}

region::~region() {
  if (begin_ != nullptr) os::release(begin_, reserved_bytes_);
}

region::region(region&& other) noexcept
    : begin_(std::exchange(other.begin_, nullptr)),
      reserved_bytes_(std::exchange(other.reserved_bytes_, 0)),
      open_bytes_(std::exchange(other.open_bytes_, 0)),
      step_bytes_(other.step_bytes_) {}

region& region::operator=(region&& other) noexcept {
  std::swap(begin_, other.begin_);
  std::swap(reserved_bytes_, other.reserved_bytes_);
  std::swap(open_bytes_, other.open_bytes_);
  std::swap(step_bytes_, other.step_bytes_);
  return *this;
}

bool region::ensure(std::size_t bytes) noexcept {
  if (bytes <= open_bytes_) return true;
  if (bytes > reserved_bytes_) return false;
  const std::size_t wanted = std::min(round_up(bytes, step_bytes_), reserved_bytes_);
  if (os::open(begin_ + open_bytes_, wanted - open_bytes_) != 0) return false;
  open_bytes_ = wanted;
  return true;
}

void region::discard(std::size_t from_bytes, std::size_t to_bytes) noexcept {
  const std::size_t from = round_up(from_bytes, os::page_bytes);
  const std::size_t to = std::min(round_up(to_bytes, os::page_bytes), open_bytes_);
  if (from < to) RAMIE_CHECK(os::discard(begin_ + from, to - from) == 0);
}

}  // namespace ramie::heaps
