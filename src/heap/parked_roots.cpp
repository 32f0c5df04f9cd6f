#include "heap/parked_roots.hpp"

#include "heap/words.hpp"

#include <algorithm>
#include <cstring>
#include <string>

namespace ramie::heaps {

namespace {
constexpr std::size_t batch_size = 16;        // places read before the first of them is counted
constexpr std::size_t prefetch_distance = 8;  // 175 ns per parked stack instead of 366: `ramie bench cow`, first scan
}  // namespace

pins::pins(const block_space& space)
    : space_(space),
      counts_(space.most_plane_words() * 64, "the counts of parked roots"),
      bits_(space.most_plane_words(), "the bitmap of parked roots"),
      in_block_(space.reserved_bytes() / block_bytes, "the counts of parked roots") {}

bool pins::ensure() noexcept {
  return counts_.ensure(space_.plane_words() * 64) && bits_.ensure(space_.plane_words()) &&
         in_block_.ensure(space_.count());
}

void pins::add(cell_place at) noexcept {
  if (count_at(at)++ != 0) return;
  bits(at.block)[at.cell / 64] |= bit_of(at.cell);
  ++in_block_[at.block];
  ++pinned_;
}

void pins::remove(cell_place at) noexcept {
  RAMIE_CHECK(count_at(at) != 0);
  if (--count_at(at) != 0) return;
  bits(at.block)[at.cell / 64] &= ~bit_of(at.cell);
  --in_block_[at.block];
  --pinned_;
}

void pins::forget_all() noexcept {
  counts_.zero();
  bits_.zero();
  in_block_.zero();
  pinned_ = 0;
}

std::uint32_t pins::count_of(cell_place at) const noexcept {
  const std::size_t words = counts_.count() / 64;
  return space_[at.block].bitmap_word + at.cell / 64 < words ? count_at(at) : 0;
}

void parked_roots::drop(std::uint32_t number) noexcept {
  const place at = places_[number];
  for (std::uint32_t each = at.first; each < at.first + at.count; ++each) pins_.remove(place_of(handles_[each]));
  handles_in_use_ -= at.count;
  places_[number] = {};
  seen_[number] = 0;
}

void parked_roots::fetch(std::uint32_t number, root_range range) const noexcept {
  prefetch_words(range.begin, range.end);
  if (places_[number].count != 0) __builtin_prefetch(&handles_[places_[number].first]);
}

void parked_roots::find(std::uint32_t number, root_range range) {
  const auto first = static_cast<std::uint32_t>(found_.size());
  for_each_word(range.begin, range.end, space_.base(), space_.end_bytes(), [&](std::uintptr_t word) {
    cell_place at;
    if (!space_.find(word, at) || !space_.is_allocated(at)) return;
    found_.push_back(handle_of(at));
    pins_.prefetch(at);
  });
  for (std::uint32_t handle : handles_of(places_[number])) pins_.prefetch(place_of(handle));
  batch_.push_back({number, {first, static_cast<std::uint32_t>(found_.size()) - first}});
}

// Room first, so that nothing can fail between the first count changed and the last.
void parked_roots::replace(std::uint32_t number, std::span<const std::uint32_t> found) {
  const place before = places_[number];
  if (std::ranges::equal(found, handles_of(before))) return;
  const bool fits = found.size() <= before.count;
  if (!fits && handles_.size() + found.size() > handles_.capacity()) {
    handles_.reserve(2 * handles_.capacity() + found.size());
  }
  drop(number);
  places_[number] = {fits ? before.first : static_cast<std::uint32_t>(handles_.size()),
                     static_cast<std::uint32_t>(found.size())};
  if (!fits) handles_.resize(handles_.size() + found.size());
  std::copy(found.begin(), found.end(), handles_.begin() + places_[number].first);
  for (std::uint32_t handle : found) pins_.add(place_of(handle));
  handles_in_use_ += found.size();
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
  if (!pins_.ensure()) {
    throw heap_full("heap: no memory for the counts of parked roots; let objects go or raise the system's limit",
                    space_.plane_words() * 64 * sizeof(std::uint32_t), pins_.open_bytes(), 0);
  }
  std::size_t ranges_read = 0;
  batch_.clear();
  found_.clear();
  for (std::size_t at = 0; at < changed_.size(); ++at) {
    if (at + prefetch_distance < changed_.size()) {
      const std::uint32_t ahead = changed_[at + prefetch_distance];
      if (generations[ahead] != 0) fetch(ahead, ranges[ahead]);
    }
    const std::uint32_t number = changed_[at];
    if (generations[number] == 0) {
      drop(number);
    } else {
      find(number, ranges[number]);
    }
    if (batch_.size() < batch_size && at + 1 < changed_.size()) continue;
    for (const found_place& each : batch_) {
      replace(each.number, std::span(found_).subspan(each.found.first, each.found.count));
      seen_[each.number] = generations[each.number];
    }
    ranges_read += batch_.size();
    batch_.clear();
    found_.clear();
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
