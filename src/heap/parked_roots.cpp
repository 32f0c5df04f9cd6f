#include "heap/parked_roots.hpp"

#include "heap/words.hpp"

#include <algorithm>
#include <cstring>
#include <string>

namespace ramie::heaps {

namespace {
constexpr std::size_t prefetch_distance = 8;  // 175 ns per parked stack instead of 366: `ramie bench cow`, first scan
}

pins::pins(const block_space& space)
    : space_(space),
      counts_(space.reserved_bytes() / granule_bytes, "the counts of parked roots"),
      bits_(space.reserved_bytes() / block_bytes * 2 * most_cells / 64, "the bitmap of parked roots"),
      in_block_(space.reserved_bytes() / block_bytes, "the counts of parked roots") {}

bool pins::add(cell_place at) noexcept {
  if (!counts_.ensure(std::size_t{at.block + 1} * most_cells) || !bits_.ensure(space_.plane_words()) ||
      !in_block_.ensure(std::size_t{at.block} + 1)) {
    return false;
  }
  if (counts_[handle_of(at)]++ == 0) {
    bits(at.block)[at.cell / 64] |= bit_of(at.cell);
    ++in_block_[at.block];
    ++pinned_;
  }
  return true;
}

void pins::remove(cell_place at) noexcept {
  RAMIE_CHECK(counts_[handle_of(at)] != 0);
  if (--counts_[handle_of(at)] == 0) {
    bits(at.block)[at.cell / 64] &= ~bit_of(at.cell);
    --in_block_[at.block];
    --pinned_;
  }
}

void pins::forget_all() noexcept {
  counts_.zero();
  bits_.zero();
  in_block_.zero();
  pinned_ = 0;
}

std::uint32_t pins::count_of(cell_place at) const noexcept {
  const std::uint32_t handle = handle_of(at);
  return handle < counts_.count() ? counts_[handle] : 0;
}

void parked_roots::drop(std::uint32_t number) noexcept {
  const place at = places_[number];
  for (std::uint32_t each = at.first; each < at.first + at.count; ++each) pins_.remove(place_of(handles_[each]));
  handles_in_use_ -= at.count;
  places_[number] = {};
  seen_[number] = 0;
}

// The order matters when memory runs out halfway: nothing is pinned that is not also remembered.
void parked_roots::read(std::uint32_t number, root_range range) {
  found_.clear();
  for_each_word(range.begin, range.end, space_.base(), space_.end_bytes(), [&](std::uintptr_t word) {
    cell_place at;
    if (space_.find(word, at) && space_.is_allocated(at)) found_.push_back(handle_of(at));
  });
  drop(number);
  const auto first = static_cast<std::uint32_t>(handles_.size());
  handles_.insert(handles_.end(), found_.begin(), found_.end());
  places_[number].first = first;
  for (std::uint32_t handle : found_) {
    if (!pins_.add(place_of(handle))) {
      throw heap_full("heap: no memory for the counts of parked roots; let objects go or raise the system's limit",
                      found_.size() * sizeof(std::uint32_t), pins_.open_bytes(), 0);
    }
    ++places_[number].count;
    ++handles_in_use_;
  }
}

void parked_roots::collect_changes(std::span<const std::uint32_t> generations) {
  constexpr std::size_t stride = 64;
  changed_.clear();
  for (std::size_t begin = 0; begin < generations.size(); begin += stride) {
    const std::size_t count = std::min(stride, generations.size() - begin);
    if (std::memcmp(&generations[begin], &seen_[begin], count * sizeof(std::uint32_t)) == 0) continue;
    for (std::size_t at = begin; at < begin + count; ++at) {
      if (generations[at] != seen_[at]) changed_.push_back(static_cast<std::uint32_t>(at));
    }
  }
}

std::size_t parked_roots::update(std::span<const std::uint32_t> generations, std::span<const root_range> ranges) {
  for (std::size_t at = generations.size(); at < seen_.size(); ++at) drop(static_cast<std::uint32_t>(at));
  seen_.resize(generations.size());
  places_.resize(generations.size());
  collect_changes(generations);
  std::size_t ranges_read = 0;
  for (std::size_t at = 0; at < changed_.size(); ++at) {
    if (at + prefetch_distance < changed_.size()) {
      const std::uint32_t ahead = changed_[at + prefetch_distance];
      if (generations[ahead] != 0) prefetch_words(ranges[ahead].begin, ranges[ahead].end);
    }
    const std::uint32_t number = changed_[at];
    if (generations[number] == 0) {
      drop(number);
    } else {
      read(number, ranges[number]);
      seen_[number] = generations[number];
      ++ranges_read;
    }
  }
  if (handles_.size() > 2 * handles_in_use_ + 4096) compact();
  return ranges_read;
}

void parked_roots::compact() {
  std::vector<std::uint32_t> kept;
  kept.reserve(handles_in_use_ + handles_in_use_ / 4);
  for (place& at : places_) {
    const auto first = static_cast<std::uint32_t>(kept.size());
    kept.insert(kept.end(), handles_.begin() + at.first, handles_.begin() + at.first + at.count);
    at.first = first;
  }
  handles_ = std::move(kept);
}

void parked_roots::clear() noexcept {
  for (std::size_t at = 0; at < seen_.size(); ++at) drop(static_cast<std::uint32_t>(at));
  forget();
}

void parked_roots::forget() noexcept {
  seen_.clear();
  places_.clear();
  handles_.clear();
  handles_in_use_ = 0;
}

}  // namespace ramie::heaps
