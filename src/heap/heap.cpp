// The public face: who may call, then the room's own words.
#include "base/check.hpp"
#include "heap/state.hpp"

#include <ramie/heap.hpp>

#include <cstdio>

namespace ramie {

void throw_heap_error(heap_errc code) {
  switch (code) {
    case heap_errc::other_thread:
      throw heap_error(code,
                       "heap: it belongs to another thread; that one calls release(), then this one adopt(), or each "
                       "thread has a heap of its own");
    case heap_errc::collecting:
      throw heap_error(code, "heap: it is collecting; a trace or a root source may not ask it for anything");
    case heap_errc::no_heap:
      throw heap_error(code, "root: an empty root belongs to no heap; write root<T>(heap, object)");
    case heap_errc::bad_options:
      break;
  }
  throw heap_error(code, "heap: options that contradict each other");
}

heap::heap(const heap_options& options) : state_(std::make_unique<heaps::state>(options)) {}

heap::~heap() {
  const bool owned_here = state_->owner == heaps::this_thread_number();
  const bool orphaned = state_->same_process != nullptr && *state_->same_process == std::byte{0};
  if (!owned_here && orphaned) return;  // the owner is not in this process: its objects are only unmapped
  const bool destroyed_by_its_owner = owned_here || state_->owner == 0;
  RAMIE_CHECK(destroyed_by_its_owner);
  state_->owner = heaps::this_thread_number();
  const auto check_roots = [this] {
    const std::size_t left = state_->roots.taken() - 1;
    if (left == 0) return;
    char text[96];
    std::snprintf(text, sizeof text, "a heap is destroyed while %zu roots into it are left", left);
    check_failed(text, __FILE__, __LINE__);
  };
  check_roots();
  state_->run_all_destructors();
  check_roots();
}

void* heap::begin_birth(const heap_type& type, std::size_t tail_bytes, void**& slot) {
  state_->check_owner();
  const heaps::cell_place at = state_->take_cell(type, tail_bytes);
  std::byte* cell = state_->space.address_of(at);
  try {
    slot = state_->roots.take(heaps::unfinished(cell));
    return cell;
  } catch (...) {
    state_->space.allocated(at.block)[at.cell / 64] &= ~heaps::bit_of(at.cell);
    throw;
  }
}

void heap::finish_birth(void* cell) noexcept {
  heaps::cell_place at;
  const bool is_a_cell = state_->space.find(reinterpret_cast<std::uintptr_t>(cell), at);
  RAMIE_CHECK(is_a_cell);
  state_->space.destructor(at.block)[at.cell / 64] |= heaps::bit_of(at.cell);
}

void heap::abort_birth(void* cell, void** slot) noexcept {
  heaps::cell_place at;
  const bool is_a_cell = state_->space.find(reinterpret_cast<std::uintptr_t>(cell), at);
  RAMIE_CHECK(is_a_cell);
  // Both planes: the constructor may have frozen the heap.
  state_->space.allocated(at.block)[at.cell / 64] &= ~heaps::bit_of(at.cell);
  state_->space.marked(at.block)[at.cell / 64] &= ~heaps::bit_of(at.cell);
  heaps::root_table::release(slot);
}

void heap::collect() {
  state_->check_owner();
  state_->collect();
}

void heap::freeze() {
  state_->check_owner();
  state_->seal();
}

void heap::thaw() {
  state_->check_owner();
  state_->unseal();
}

bool heap::frozen() const {
  state_->check_owner();
  return state_->is_frozen;
}

heap_statistics heap::statistics() const {
  state_->check_owner();
  return state_->count();
}

std::vector<std::string> heap::verify() const {
  state_->check_owner();
  return state_->verify();
}

void heap::add_root_source(root_source& source) {
  state_->check_owner();
  if (!state_->pinned) state_->pinned = std::make_unique<heaps::pins>(state_->space);
  state_->sources.push_back({&source, std::make_unique<heaps::parked_roots>(state_->space, *state_->pinned)});
}

void heap::remove_root_source(root_source& source) {
  state_->check_owner();
  std::erase_if(state_->sources, [&](const heaps::attached_source& each) {
    if (each.source != &source) return false;
    each.parked->clear();
    return true;
  });
}

void heap::release() {
  state_->check_owner();
  state_->owner = 0;
}

void heap::adopt() { state_->adopt(); }

namespace heaps {

void** take_slot(state& owner, void* object) {
  owner.check_owner();
  return owner.roots.take(object);
}

void** copy_slot(void* const* slot) { return take_slot(root_table::owner_of(slot), *slot); }

void release_slot(void** slot) noexcept {
  const state& owner = root_table::owner_of(slot);
  const bool released_by_the_owner_of_its_heap = owner.owner == this_thread_number();
  RAMIE_CHECK(released_by_the_owner_of_its_heap);
  root_table::release(slot);
}

}  // namespace heaps
}  // namespace ramie
