#include "heap/bins.hpp"

#include <algorithm>
#include <atomic>

namespace ramie::heaps {

namespace {

constexpr std::uint8_t old_age = 3;

std::size_t round_up(std::size_t bytes, std::size_t step) { return (bytes + step - 1) / step * step; }

// Tails vary: four sizes per doubling keep the number of bins small and waste at most a fifth.
std::size_t size_class(std::size_t bytes) {
  const std::size_t step = std::max(granule_bytes, std::bit_floor(bytes) / 4);
  return round_up(bytes, step);
}

// Any heap's thread may be the first to use a type.
std::uint32_t number_of(const heap_type& type) noexcept {
  static constinit std::atomic<std::uint32_t> last = 0;
  std::uint32_t known = type.number.load(std::memory_order_relaxed);
  if (known != 0) return known;
  const std::uint32_t mine = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return type.number.compare_exchange_strong(known, mine, std::memory_order_relaxed) ? mine : known;
}

}  // namespace

object_shape shape_of(const heap_type& type, std::size_t tail_bytes) noexcept {
  const std::size_t asked = type.object_bytes + tail_bytes;
  if (asked < tail_bytes) return {~std::size_t{0}, true};
  const std::size_t step = std::max<std::size_t>(granule_bytes, type.alignment_bytes);
  const std::size_t bytes = round_up(tail_bytes == 0 ? asked : size_class(asked), step);
  if (bytes < asked) return {~std::size_t{0}, true};
  return bytes <= largest_cell_bytes ? object_shape{bytes, false} : object_shape{round_up(asked, granule_bytes), true};
}

bin& bins::of(const heap_type& type, std::uint32_t cell_bytes) {
  const bool is_exact = shape_of(type, 0).bytes == cell_bytes;
  std::uint32_t type_number = type.number.load(std::memory_order_relaxed);  // 0 has no bin
  if (is_exact) {
    if (type_number < exact_.size() && exact_[type_number] != nullptr) return *exact_[type_number];
    type_number = number_of(type);
    if (type_number >= exact_.size()) exact_.resize(type_number + 1);
  } else {
    for (bin* at : with_tail_) {
      if (at->type == &type && at->cell_bytes == cell_bytes) return *at;
    }
    with_tail_.reserve(2 * with_tail_.size() + 1);
  }
  const auto number = static_cast<std::uint32_t>(bins_.size());
  bins_.push_back(bin{.type = &type, .cell_bytes = cell_bytes, .number = number});
  if (is_exact) {
    exact_[type_number] = &bins_.back();
  } else {
    with_tail_.push_back(&bins_.back());
  }
  return bins_.back();
}

// The first run of free cells of the block at or behind `from_cell`.
std::size_t bins::run_in(bin& of, std::uint32_t block, std::uint32_t from_cell) noexcept {
  const std::uint64_t* words = space_.allocated(block);
  const std::uint32_t cells = space_[block].cell_count;
  const auto next_where = [&](std::uint32_t cell, std::uint64_t flip) {
    while (cell < cells) {
      const std::uint64_t word = (words[cell / 64] ^ flip) >> (cell % 64);
      if (word != 0) return std::min(cells, cell + static_cast<std::uint32_t>(std::countr_zero(word)));
      cell = (cell / 64 + 1) * 64;
    }
    return cells;
  };
  const std::uint32_t begin = next_where(from_cell, ~std::uint64_t{0});
  const std::uint32_t end = next_where(begin, 0);
  of.block = begin == end ? no_block : block;
  of.next_cell = begin;
  of.end_cell = end;
  if (begin != end) space_.age(block) = 0;
  return std::size_t{end - begin} * of.cell_bytes;
}

std::size_t bins::run_from_list(bin& of, std::uint32_t& head) noexcept {
  while (head != no_block) {
    const std::uint32_t block = head;
    head = space_.next(block);
    if (const std::size_t bytes = run_in(of, block, 0); bytes != 0) return bytes;
  }
  return 0;
}

std::size_t bins::next_run(bin& of) noexcept {
  if (of.block != no_block) {
    if (const std::size_t bytes = run_in(of, of.block, of.end_cell); bytes != 0) return bytes;
  }
  return run_from_list(of, of.reusable);
}

std::size_t bins::fresh_run(bin& of) noexcept {
  const std::uint32_t block = space_.take_cells(*of.type, of.cell_bytes, of.number);
  return block == no_block ? 0 : run_in(of, block, 0);
}

std::size_t bins::scarce_run(bin& of) noexcept { return run_from_list(of, of.scarce); }

void bins::begin_lists() noexcept {
  for (bin& each : bins_) {
    each.block = no_block;
    each.next_cell = each.end_cell = 0;
    each.reusable = each.scarce = no_block;
  }
}

void bins::list(std::uint32_t number, std::uint32_t live_cells) noexcept {
  const block& at = space_[number];
  if (at.kind != block_kind::cells || space_.is_sealed(number) || live_cells == at.cell_count) return;
  const unsigned free_percent = 100u * (at.cell_count - live_cells) / at.cell_count;
  const unsigned wanted = space_.age(number) >= old_age ? std::min(100u, 2 * reuse_percent_) : reuse_percent_;
  const bool is_inherited = (space_.flags(number) & inherited) != 0;
  bin& of = bins_[at.bin];
  std::uint32_t& head = !is_inherited && free_percent >= wanted ? of.reusable : of.scarce;
  space_.next(number) = head;
  head = number;
}

}  // namespace ramie::heaps
