#include "context/stack_life.hpp"
#include "fiber/thread.hpp"
#include "stack/pool.hpp"

#include <ramie/guarded_stack.hpp>

#include <cstdio>
#include <cstdlib>

namespace ramie::inline v0::lending {

extern "C" {
constinit __thread shelf ramie_lent_stacks_v0 = {};
}

namespace {

// A key: name (48 bits), class (8), guard (4), title (1), and a bit that makes it differ from "none".
constexpr std::uint64_t name_mask = (std::uint64_t{1} << 48) - 1, is_key = std::uint64_t{1} << 63;

stack::request request_of(source_key key) noexcept {
  return {static_cast<std::uint8_t>(key >> 48), static_cast<ramie::guard>(key >> 56 & 15)};
}
void* owner_of(source_key key) noexcept {
  return stack::lent_owner(reinterpret_cast<const char*>(key & name_mask), (key >> 60 & 1) != 0);
}

[[noreturn]] void refuse_release(void* top) noexcept {
  std::fprintf(stderr,
               "ramie: a stack with its top at %p is released, and no such stack is on loan.\n"
               "ramie: It was released before, or its top is not what acquire() gave.\n",
               top);
  std::abort();
}

// The slot that ends at `top`. A ticket may have been overwritten, so it is believed only when the slot agrees.
stack::slot* slot_of(void* top) noexcept {
  const auto* about = static_cast<const ticket*>(top);
  auto* slot = static_cast<stack::slot*>(about->slot);
  const std::uintptr_t end = reinterpret_cast<std::uintptr_t>(top) + sizeof(ticket);
  if (slot == nullptr || slot->first_frame() != end || !stack::is_lent(slot->owner)) [[unlikely]]
    refuse_release(top);
  return slot;
}

stack::slot* lent_slot(void* top) noexcept {
  if (static_cast<const ticket*>(top)->key == 0) [[unlikely]]
    refuse_release(top);
  return slot_of(top);
}

void give_back(void* top) noexcept {
  stack::slot* slot = slot_of(top);
  auto* about = static_cast<ticket*>(top);
  about->key = 0;
  context::stack_ends(std::exchange(about->checker, nullptr), slot->low, slot->high());
  stack::release(slot);
}

void empty_shelf(shelf& mine) noexcept {
  while (mine.top != &mine.bottom) {
    ticket* taken = mine.top;
    __atomic_store_n(&mine.top, taken->next, __ATOMIC_RELAXED);
    give_back(taken);
  }
}

// Of any thread, for count_stacks(): a snapshot. Tickets are never unmapped.
std::uint32_t depth_of(const void* place) noexcept {
  const ticket* top = __atomic_load_n(&static_cast<const shelf*>(place)->top, __ATOMIC_RELAXED);
  return __atomic_load_n(&top->depth, __ATOMIC_RELAXED);
}

constexpr std::uint32_t shelved_most = 64;

// Made after the thread's root, so it goes before it: what is on the shelf comes to the thread's cache, which the
// root's end then gives to the others.
struct shelf_end {
  shelf_end() {
    shelf& mine = this_shelf();
    mine.top = &mine.bottom;
    mine.most = context::stacks_are_watched ? 0U : shelved_most;
    stack::count_this_thread(&mine, &depth_of);
  }
  shelf_end(const shelf_end&) = delete;
  shelf_end& operator=(const shelf_end&) = delete;
  ~shelf_end() {
    empty_shelf(this_shelf());
    this_shelf().most = 0;
    stack::count_this_thread(nullptr, nullptr);
  }
};

shelf& prepared_shelf() {
  // Thread's end, signal stack, fork handlers, the handler of faults: all that a fiber's thread has.
  static_cast<void>(control::this_thread());
  static thread_local const shelf_end at_thread_end;
  static_cast<void>(at_thread_end);
  return this_shelf();
}

}  // namespace

source_key make_key(std::size_t stack_bytes, ramie::guard kind, const char* text, title shown_as) {
  const std::uint64_t index = stack::make_request(stack_bytes, kind).class_index;
  const auto name = reinterpret_cast<std::uint64_t>(text);
  const auto guard = static_cast<std::uint64_t>(kind), boost = static_cast<std::uint64_t>(shown_as);
  // A literal above 2^48 is in a program that asked for five-level page tables: it goes without names.
  const std::uint64_t kept = name <= name_mask ? name : reinterpret_cast<std::uint64_t>("");
  return is_key | (kept & name_mask) | index << 48 | guard << 56 | boost << 60;
}

guarded_stack acquire_slow(source_key key) {
  shelf& mine = prepared_shelf();
  if (mine.key != key) {
    empty_shelf(mine);
    mine.key = key;
  }
  stack::slot* slot = stack::acquire(request_of(key), owner_of(key));
  auto* above = reinterpret_cast<ticket*>(slot->first_frame()) - 1;
  void* checker = nullptr;
  if (context::stacks_are_watched) [[unlikely]]
    checker = context::tell_stack_lent(slot->low, slot->high());
  *above = {key, nullptr, reinterpret_cast<std::uintptr_t>(above) - slot->low, 0, slot, checker};
  return {above, above->usable_bytes};
}

void release_slow(const guarded_stack& stack) noexcept {
  lent_slot(stack.top);
  try {
    prepared_shelf();
  } catch (...) {  // NOLINT(bugprone-empty-catch): then what this thread caches is lost at its end, and nothing else
  }
  give_back(stack.top);
}

}  // namespace ramie::inline v0::lending

namespace ramie::inline v0 {

stack_info stack_source::info(const guarded_stack& stack) noexcept {
  const stack::slot* slot = lending::lent_slot(stack.top);
  stack_info about;
  about.guard = slot->guard;
  about.usable_bytes = stack.usable_bytes;
  about.guard_bytes = stack::guard_bytes_of(*slot);
  about.most_used_bytes = stack::most_used_bytes(*slot);
  about.low = slot->low;
  about.high = reinterpret_cast<std::uintptr_t>(stack.top);
  return about;
}

void prepare_thread_for_reports() { static_cast<void>(lending::prepared_shelf()); }

}  // namespace ramie::inline v0
