// A collection: roots, marks, the doomed, the exchange of planes, destructors.
#include "base/check.hpp"
#include "heap/state.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <stdexcept>

namespace ramie::heaps {

namespace {

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// What a source reports to.
class scan final : public root_scan {
 public:
  scan(marker& marks, parked_roots& parked) : marks_(marks), parked_(parked) {}

  void range(root_range now) override { marks_.show_words(now.begin, now.end); }
  void parked(std::span<const std::uint32_t> generations, std::span<const root_range> ranges) override {
    if (generations.size() != ranges.size()) {
      throw std::invalid_argument("root_scan::parked: one generation for each range");
    }
    ranges_read += parked_.update(generations, ranges);
  }

  std::size_t ranges_read = 0;

 private:
  marker& marks_;
  parked_roots& parked_;
};

}  // namespace

void state::collect() {
  notice_fork();
  mark_all();
  const std::int64_t swept_from = now_ns();
  sweep();
  totals.last.sweep_ns = now_ns() - swept_from;
  ++totals.collections;
  run_doomed();
}

void state::mark_all() {
  now = phase::marking;
  try {
    const std::int64_t begin = now_ns();
    marks.begin();
    mark_roots();
    mark_pinned();
    const std::int64_t rooted = now_ns();
    trace_pinned_doomed_sealed();
    marks.drain();
    doom_dead();
    totals.last.roots_ns = rooted - begin;
    totals.last.mark_ns = now_ns() - rooted;
    totals.last.mark_stack_overflows = marks.overflows();
  } catch (...) {
    marks.finish();
    now = phase::idle;
    throw;
  }
  marks.finish();
}

void state::mark_roots() {
  roots.for_each([this](std::uintptr_t content) {
    if ((content & unfinished_bit) == 0) {
      if (content != 0) marks.show(content);
      return;
    }
    cell_place at;
    const bool is_a_cell = space.find(content & ~unfinished_bit, at);
    RAMIE_CHECK(is_a_cell);
    const std::byte* object = space.address_of(at);
    if (marks.mark(at)) marks.show_words(object, object + space.object_bytes(at));
  });
  totals.last.ranges_scanned = 0;
  for (attached_source& each : sources) {
    scan scanning(marks, *each.parked);
    each.source->report(scanning);
    totals.last.ranges_scanned += scanning.ranges_read;
  }
}

void state::mark_pinned() noexcept {
  if (!pinned) return;
  for (std::uint32_t number = 0; number < space.count(); ++number) {
    if (!pinned->any_in(number) || space.is_sealed(number)) continue;
    const std::uint64_t* bits = pinned->bits(number);
    std::uint64_t* marked = space.marked(number);
    for (std::uint32_t at = 0; at < space.words_of(number); ++at) marked[at] |= bits[at];
  }
}

// Objects that are marked already and whose refs nobody has shown yet. In address order, which reading likes.
void state::trace_pinned_doomed_sealed() {
  for (std::uint32_t number = 0; number < space.count(); ++number) {
    if (!space.in_use(number)) continue;
    const bool is_sealed = space.is_sealed(number);
    const bool has_pins = pinned && pinned->any_in(number);
    const heap_type& type = *space[number].type;
    if (type.destroy != nullptr && doomed_count != 0) {
      for (std::uint32_t at = 0; at < space.words_of(number); ++at) {
        const std::uint64_t bits = space.doomed(number)[at];
        if (bits != 0 && !is_sealed) space.marked(number)[at] |= bits;
      }
    } else if (!is_sealed && !has_pins) {
      continue;
    }
    if (type.trace == nullptr && type.destroy == nullptr) continue;
    const auto untraced = [&](std::uint32_t at) {
      if (is_sealed) return space.marked(number)[at];
      return (has_pins ? pinned->bits(number)[at] : 0) | (type.destroy != nullptr ? space.doomed(number)[at] : 0);
    };
    for_each_bit(space.words_of(number), untraced, [&](std::uint32_t cell) { marks.trace({number, cell}); });
    marks.drain();
  }
}

// All that died with a destructor to run is found first, then all of it is kept once more: whether an object's
// destructor runs in this collection does not depend on the order in which blocks are looked at.
void state::doom_dead() {
  const auto each_candidate_block = [this](auto body) {
    for (std::uint32_t number = 0; number < space.count(); ++number) {
      if (space.in_use(number) && space[number].type->destroy != nullptr && !space.is_sealed(number)) body(number);
    }
  };
  const std::size_t before = doomed_count;
  each_candidate_block([this](std::uint32_t number) {
    for (std::uint32_t at = 0; at < space.words_of(number); ++at) {
      const std::uint64_t dead = space.destructor(number)[at] & ~space.marked(number)[at];
      if (dead == 0) continue;
      space.doomed(number)[at] |= dead;
      doomed_count += static_cast<std::size_t>(std::popcount(dead));
    }
  });
  if (doomed_count == before) return;
  each_candidate_block([this](std::uint32_t number) {
    for_each_bit(
        space.words_of(number), [&](std::uint32_t at) { return space.doomed(number)[at]; },
        [&](std::uint32_t cell) {
          if (marks.mark({number, cell})) marks.trace({number, cell});
        });
    marks.drain();
  });
}

void state::sweep() noexcept {
  now = phase::sweeping;
  space.exchange_planes();
  const std::size_t live_bytes = list_blocks(true);
  std::size_t sealed_bytes = 0;
  for (std::uint32_t number = 0; is_frozen && number < space.count(); ++number) {
    if (space.in_use(number) && space.is_sealed(number)) sealed_bytes += space.blocks_of(number) * block_bytes;
  }
  space.release_empty(std::max<std::size_t>(256, space.used_blocks() / 4));
  allocated_since = 0;
  trigger_bytes =
      std::max(options.first_collection_bytes, live_bytes / 100 * options.growth_percent + sealed_bytes / 4);
  now = phase::idle;
}

// Puts every block where it belongs and frees the empty ones; the bytes that live in blocks not sealed. Reads the
// allocation bits only and may be begun again at any time: that is how a heap whose owner vanished in it recovers.
std::size_t state::list_blocks(bool after_marking) noexcept {
  std::size_t live_bytes = 0;
  std::size_t freed = 0;
  bin_table.begin_lists();
  for (std::uint32_t number = space.count(); number-- > 0;) {
    if (!space.in_use(number) || space.is_sealed(number)) continue;
    std::uint32_t live = 0;
    std::uint32_t before = 0;
    for (std::uint32_t at = 0; at < space.words_of(number); ++at) {
      live += static_cast<std::uint32_t>(std::popcount(space.allocated(number)[at]));
      if (after_marking) before += static_cast<std::uint32_t>(std::popcount(space.marked(number)[at]));
    }
    if (after_marking) {
      freed += before - live;
      if (space.age(number) < 255) ++space.age(number);
    }
    live_bytes += live * space.object_bytes({number, 0});
    if (live == 0) {
      space.free(number);
    } else {
      bin_table.list(number, live);
    }
  }
  if (after_marking) totals.last.freed_objects = freed;
  return live_bytes;
}

// Words are read anew after each destructor: it may have allocated, collected, or suspended its fiber while another
// one did.
void state::run_doomed() {
  if (running_doomed) return;
  running_doomed = true;
  while (doomed_count != 0) {
    for (std::uint32_t number = 0; number < space.count(); ++number) {
      if (!space.in_use(number) || space[number].type->destroy == nullptr) continue;
      for (std::uint32_t at = 0; at < space.words_of(number); ++at) {
        while (const std::uint64_t bits = space.doomed(number)[at]) {
          destroy({number, at * 64 + static_cast<std::uint32_t>(std::countr_zero(bits))});
        }
      }
    }
  }
  running_doomed = false;
}

void state::destroy(cell_place at) noexcept {
  std::uint64_t& doomed = space.doomed(at.block)[at.cell / 64];
  if ((doomed & bit_of(at.cell)) != 0) {
    doomed &= ~bit_of(at.cell);
    --doomed_count;
  }
  space.destructor(at.block)[at.cell / 64] &= ~bit_of(at.cell);
  std::byte* object = space.address_of(at);
  *dying_slot = unfinished(object);
  space[at.block].type->destroy(object);
  *dying_slot = nullptr;
  ++totals.destructors_run;
}

}  // namespace ramie::heaps
