#include "heap/state.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdio>
#include <string>

namespace ramie::heaps {

namespace os = ramie::os::heap_memory;

namespace {

constexpr std::size_t smallest_reserve_bytes = std::size_t{2} << 20;
constexpr std::size_t largest_reserve_bytes = std::size_t{64} << 30;

const heap_options& checked(const heap_options& given) {
  const bool fits = given.reserve_bytes >= smallest_reserve_bytes && given.reserve_bytes <= largest_reserve_bytes;
  if (!fits || given.reuse_percent > 100 || given.limit_bytes > given.reserve_bytes) {
    throw heap_error(heap_errc::bad_options, "heap_options: reserve_bytes is 2 MiB to 64 GiB (got " +
                                                 std::to_string(given.reserve_bytes) + "), limit_bytes not above it (" +
                                                 std::to_string(given.limit_bytes) + "), reuse_percent 0 to 100 (" +
                                                 std::to_string(given.reuse_percent) + ")");
  }
  return given;
}

// Under `ulimit -v` and in some emulators a smaller reservation is better than none; a quarter as much must be left for
// roots, marks and the program.
block_space reserve(std::size_t bytes, bool huge_pages) {
  for (;; bytes /= 2) {
    try {
      block_space reserved(bytes, huge_pages);
      const region left(bytes / 4, 0, os::page_bytes, "what a heap leaves to its program");
      return reserved;
    } catch (const heap_full&) {
      if (bytes / 2 < smallest_reserve_bytes) throw;
    }
  }
}

}  // namespace

std::uint64_t this_thread_number() noexcept {
  static std::atomic<std::uint64_t> last{0};
  thread_local std::uint64_t number = 0;
  if (number == 0) number = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

state::state(const heap_options& given)
    : options(checked(given)),
      space(reserve(given.reserve_bytes, given.huge_pages)),
      bin_table(space, given.reuse_percent),
      roots(*this, space.reserved_bytes() / 8),
      marks(space, std::min(given.mark_stack_bytes, space.reserved_bytes() / 16)),
      owner(this_thread_number()),
      same_process(os::map_wiped_on_fork()),
      dying_slot(nullptr),
      trigger_bytes(given.first_collection_bytes) {
  if (options.limit_bytes == 0) options.limit_bytes = options.reserve_bytes;
  options.limit_bytes = std::min(options.limit_bytes, space.reserved_bytes());
  if (same_process != nullptr) *same_process = std::byte{1};
  dying_slot = roots.take(nullptr);
}

state::~state() {
  if (same_process != nullptr) os::release(same_process, os::page_bytes);
}

void state::check_owner() const {
  if (owner != this_thread_number()) [[unlikely]]
    throw_heap_error(heap_errc::other_thread);
  if (now != phase::idle) [[unlikely]]
    throw_heap_error(heap_errc::collecting);
}

bool state::within_limit(std::size_t more_blocks) const noexcept {
  const std::size_t most = options.limit_bytes / block_bytes;
  return more_blocks <= most && space.used_blocks() <= most - more_blocks;
}

void state::throw_full(std::size_t asked_bytes) const {
  const std::size_t used_bytes = space.used_blocks() * block_bytes;
  throw heap_full("heap: no room for " + std::to_string(asked_bytes) +
                      " bytes after a collection: " + std::to_string(used_bytes) + " of heap_options::limit_bytes " +
                      std::to_string(options.limit_bytes) +
                      " are in use; let objects go, thaw, raise the limit, or give the process more memory",
                  asked_bytes, used_bytes, options.limit_bytes);
}

cell_place state::take_cell(const heap_type& type, std::size_t tail_bytes) {
  const object_shape shape = shape_of(type, tail_bytes);
  return shape.large ? take_large(type, shape.bytes) : take_small(type, static_cast<std::uint32_t>(shape.bytes));
}

std::size_t state::run_within_limit(bin& of) {
  const std::size_t bytes = bin_table.next_run(of);
  return bytes != 0 || !within_limit(1) ? bytes : bin_table.fresh_run(of);
}

// The bin is tried anew after each collection: a destructor may have allocated from it.
cell_place state::take_small(const heap_type& type, std::uint32_t cell_bytes) {
  bin& from = bin_table.of(type, cell_bytes);
  cell_place taken;
  if (bin_table.take(from, taken)) [[likely]]
    return taken;
  notice_fork();
  bool may_collect = !destroying;
  if (may_collect && options.collect_automatically && allocated_since >= trigger_bytes) {
    collect();
    may_collect = false;
  }
  while (!bin_table.take(from, taken)) {
    std::size_t bytes = run_within_limit(from);
    if (bytes == 0 && may_collect && allocated_since >= options.first_collection_bytes) {
      collect();
      may_collect = false;
      continue;
    }
    if (bytes == 0) bytes = bin_table.scarce_run(from);
    if (bytes == 0) {
      if (!may_collect) throw_full(cell_bytes);
      collect();
      may_collect = false;
    }
    allocated_since += bytes;
  }
  return taken;
}

cell_place state::take_large(const heap_type& type, std::size_t bytes) {
  notice_fork();
  bool may_collect = !destroying;
  if (may_collect && options.collect_automatically && allocated_since >= trigger_bytes) {
    collect();
    may_collect = false;
  }
  const std::size_t wanted = bytes / block_bytes + (bytes % block_bytes != 0 ? 1 : 0);
  for (;;) {
    const std::uint32_t head = within_limit(wanted) ? space.take_span(type, bytes) : no_block;
    if (head != no_block) {
      space.allocated(head)[0] = 1;
      allocated_since += bytes;
      return {head, 0};
    }
    if (!may_collect) throw_full(bytes);
    collect();
    may_collect = false;
  }
}

void state::seal() {
  constexpr int most_rounds = 16;  // destructors may make objects with destructors
  std::uint64_t before;
  int rounds = 0;
  do {
    before = totals.destructors_run;
    collect();
  } while (totals.destructors_run != before && ++rounds < most_rounds);
  bin_table.begin_lists();
  for (std::uint32_t number = 0; number < space.count(); ++number) {
    if (!space.in_use(number)) continue;
    std::copy_n(space.allocated(number), space.words_of(number), space.marked(number));
    space.flags(number) |= sealed;
  }
  space.avoid_below(space.count());
  space.release_empty(0);
  is_frozen = true;
}

void state::unseal() {
  for (std::uint32_t number = 0; number < space.count(); ++number) {
    if (space.in_use(number)) space.flags(number) &= static_cast<std::uint8_t>(~sealed);
  }
  space.avoid_below(0);
  is_frozen = false;
  list_blocks(false);
}

bool state::notice_fork() noexcept {
  if (same_process == nullptr || *same_process == std::byte{1}) [[likely]]
    return false;
  *same_process = std::byte{1};
  for (std::uint32_t number = 0; number < space.count(); ++number) {
    if (space.in_use(number)) space.flags(number) |= inherited;
  }
  if (pinned) pinned->forget_all();
  for (attached_source& each : sources) each.parked->forget();
  list_blocks(false);
  return true;
}

void state::adopt() {
  const std::uint64_t me = this_thread_number();
  if (owner == me) return;
  const bool orphaned = same_process != nullptr && *same_process == std::byte{0};
  if (owner != 0 && !orphaned) throw_heap_error(heap_errc::other_thread);
  if (orphaned && owner != 0) {
    // The owner may have been anywhere. Marks are dropped; lists, counts and the object whose destructor it ran are
    // what a fork could catch half-written.
    marks.finish();
    now = phase::idle;
    running_doomed = false;
    *dying_slot = nullptr;
    doomed_count = 0;
    for (std::uint32_t number = 0; number < space.count(); ++number) {
      if (!space.in_use(number)) continue;
      for (std::uint32_t at = 0; at < space.words_of(number); ++at) {
        doomed_count += static_cast<std::size_t>(std::popcount(space.doomed(number)[at]));
      }
    }
  }
  owner = me;
  notice_fork();
}

void state::run_all_destructors() noexcept {
  constexpr int most_rounds = 16;  // what destructors made in the last round goes without its destructor
  destroying = true;
  bool any = true;
  for (int round = 0; any && round < most_rounds; ++round) {
    any = false;
    for (std::uint32_t number = 0; number < space.count(); ++number) {
      if (!space.in_use(number) || space[number].type->destroy == nullptr) continue;
      for_each_bit(
          space.words_of(number), [&](std::uint32_t at) { return space.destructor(number)[at]; },
          [&](std::uint32_t cell) {
            any = true;
            destroy({number, cell});
          });
    }
  }
}

heap_statistics state::count() const {
  heap_statistics result = totals;
  for (std::uint32_t number = 0; number < space.count(); ++number) {
    if (!space.in_use(number)) continue;
    std::size_t live = 0;
    for (std::uint32_t at = 0; at < space.words_of(number); ++at) {
      live += static_cast<std::size_t>(std::popcount(space.allocated(number)[at]));
    }
    result.live_objects += live;
    result.live_bytes += live * space.object_bytes({number, 0});
    if (space.age(number) >= 3) ++result.old_blocks;
    if (space.is_sealed(number)) {
      result.sealed_objects += live;
      result.sealed_bytes += space.blocks_of(number) * block_bytes;
    }
  }
  result.used_bytes = space.used_blocks() * block_bytes;
  result.limit_bytes = options.limit_bytes;
  result.metadata_bytes =
      space.metadata_bytes() + roots.open_bytes() + marks.open_bytes() + (pinned ? pinned->open_bytes() : 0);
  result.roots = roots.taken() - 1;
  result.pinned_objects = pinned ? pinned->pinned_objects() : 0;
  result.dangling_refs = marks.dangling();
  return result;
}

}  // namespace ramie::heaps
