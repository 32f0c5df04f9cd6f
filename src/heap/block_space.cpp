#include "heap/block_space.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ramie::heaps {

namespace os = ramie::os::heap_memory;

namespace {

constexpr std::size_t open_step_bytes = std::size_t{2} << 20;
std::uint32_t words_to_give(std::uint32_t count, bool again) { return again ? std::bit_ceil(count) : count; }

}  // namespace

block_space::block_space(std::size_t reserve_bytes, bool huge_pages)
    : objects_(reserve_bytes, open_step_bytes, open_step_bytes, "a heap's objects") {
  const std::size_t most = objects_.reserved_bytes() / block_bytes;
  blocks_ = table<block>(most, "a heap's block table");
  for (auto& plane : planes_) plane = table<std::uint64_t>(most_plane_words(), "a heap's bitmaps");
  flags_ = table<std::uint8_t>(most, "a heap's block flags");
  ages_ = table<std::uint8_t>(most, "a heap's block ages");
  next_ = table<std::uint32_t>(most, "a heap's block lists");
  base_ = reinterpret_cast<std::uintptr_t>(objects_.begin());
  if (huge_pages) os::advise(objects_.begin(), objects_.reserved_bytes(), os::page_size::huge_wanted);
}

std::size_t block_space::metadata_bytes() const noexcept {
  std::size_t sum = blocks_.open_bytes() + flags_.open_bytes() + ages_.open_bytes() + next_.open_bytes();
  for (const auto& plane : planes_) sum += plane.open_bytes();
  return sum;
}

std::uint32_t block_space::find_free(std::uint32_t count) const noexcept {
  std::uint32_t length = 0;
  for (std::uint32_t at = std::max(avoided_, low_hint_); at < this->count(); ++at) {
    const block_kind kind = blocks_[at].kind;
    length = kind == block_kind::untouched || kind == block_kind::empty ? length + 1 : 0;
    if (length == count) return at + 1 - count;
  }
  return no_block;
}

std::uint32_t block_space::extend(std::uint32_t count) noexcept {
  const std::size_t first = std::max<std::size_t>(this->count(), avoided_);
  const std::size_t end = first + count;
  if (!objects_.ensure(end * block_bytes) || !blocks_.ensure(end) || !flags_.ensure(end) || !ages_.ensure(end) ||
      !next_.ensure(end)) {
    return no_block;
  }
  end_bytes_ = end * block_bytes;
  return static_cast<std::uint32_t>(first);
}

std::uint32_t block_space::take(std::uint32_t count) noexcept {
  for (;; avoid_below(0)) {
    std::uint32_t first = find_free(count);
    if (count == 1) low_hint_ = first == no_block ? this->count() : first;
    if (first == no_block) first = extend(count);
    if (first != no_block || avoided_ == 0) return first;
  }
}

bool block_space::give_words(block& to, std::uint32_t count) noexcept {
  if (to.bitmap_words < count) {
    const std::uint32_t given = words_to_give(count, to.bitmap_words != 0);
    for (auto& plane : planes_) {
      if (!plane.ensure(plane_words_ + given)) return false;
    }
    to.bitmap_word = static_cast<std::uint32_t>(plane_words_);
    to.bitmap_words = static_cast<std::uint8_t>(given);
    plane_words_ += given;
  }
  for (auto& plane : planes_) {
    for (std::uint32_t at = 0; at < count; ++at) {
      if (plane[to.bitmap_word + at] != 0) plane[to.bitmap_word + at] = 0;
    }
  }
  return true;
}

std::uint32_t block_space::take_cells(const heap_type& type, std::uint32_t cell_bytes, std::uint32_t bin) noexcept {
  const std::uint32_t number = take(1);
  if (number == no_block) return no_block;
  block& taken = blocks_[number];
  const auto cells = static_cast<std::uint16_t>(block_bytes / cell_bytes);
  if (!give_words(taken, words_for(cells))) return no_block;
  if (taken.kind == block_kind::empty) --empty_blocks_;
  taken.type = &type;
  taken.reciprocal = static_cast<std::uint32_t>(((std::uint64_t{1} << 32) + cell_bytes - 1) / cell_bytes);
  taken.cell_bytes = cell_bytes;
  taken.bin = bin;
  taken.span = 1;
  taken.cell_count = cells;
  taken.kind = block_kind::cells;
  flags_[number] = ages_[number] = 0;
  ++used_blocks_;
  return number;
}

std::uint32_t block_space::take_span(const heap_type& type, std::size_t object_bytes) noexcept {
  const std::size_t wanted = object_bytes / block_bytes + (object_bytes % block_bytes != 0 ? 1 : 0);
  if (wanted > objects_.reserved_bytes() / block_bytes) return no_block;
  const auto count = static_cast<std::uint32_t>(wanted);
  const std::uint32_t first = take(count);
  if (first == no_block || !give_words(blocks_[first], 1)) return no_block;
  for (std::uint32_t at = 0; at < count; ++at) {
    block& taken = blocks_[first + at];
    if (taken.kind == block_kind::empty) --empty_blocks_;
    taken.kind = at == 0 ? block_kind::head : block_kind::tail;
    taken.span = at;
    flags_[first + at] = ages_[first + at] = 0;
  }
  block& head = blocks_[first];
  head.type = &type;
  head.span = count;
  head.reciprocal = static_cast<std::uint32_t>(object_bytes - (std::size_t{count} - 1) * block_bytes);
  head.cell_bytes = 0;
  head.bin = no_bin;
  head.cell_count = 1;
  used_blocks_ += count;
  return first;
}

void block_space::free(std::uint32_t number) noexcept {
  const std::uint32_t count = static_cast<std::uint32_t>(blocks_of(number));
  for (std::uint32_t at = number; at < number + count; ++at) blocks_[at].kind = block_kind::empty;
  used_blocks_ -= count;
  empty_blocks_ += count;
  if (number >= avoided_) low_hint_ = std::min(low_hint_, number);
}

void block_space::release_empty(std::size_t keep) noexcept {
  if (empty_blocks_ <= keep) return;
  for (std::uint32_t at = 0; at < count();) {
    std::uint32_t end = at;
    while (end < count() && blocks_[end].kind == block_kind::empty) blocks_[end++].kind = block_kind::untouched;
    if (end > at) objects_.discard(std::size_t{at} * block_bytes, std::size_t{end} * block_bytes);
    at = end + 1;
  }
  empty_blocks_ = 0;
}

}  // namespace ramie::heaps
