#include "stack/pool.hpp"

#include "base/check.hpp"
#include "base/lasting.hpp"
#include "os/memory.hpp"
#include "stack/arena.hpp"
#include "stack/guard_ladder.hpp"
#include "stack/mapping_budget.hpp"
#include "stack/refusal.hpp"
#include "stack/trimming.hpp"

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace ramie::stack {
namespace {

constexpr std::size_t first_arena_bytes = std::size_t{64} << 20;
constexpr std::size_t largest_arena_bytes = std::size_t{64} << 30;
constexpr std::size_t batch_slots = 32;  // exchanged with the shared lists at a time
constexpr int guard_kinds = 7;

// Every arena ever made, for slot_at(): append only, so a signal handler reads it without a lock. Arenas double up to
// 64 GiB, so 2,048 of them are more address space than a processor has; tests with tiny limits use a few hundred.
std::array<std::atomic<arena*>, 2048> all_arenas;
std::atomic<std::size_t> arena_total{0};

// The stacks of one class and one guard kind: arenas, each larger than the one before, and free slots.
struct shelf {
  std::vector<std::unique_ptr<arena>> arenas;
  slot* warm = nullptr;  // given back and not trimmed since, last in first out
  std::size_t warm_count = 0;
  slot* cold = nullptr;  // never used, or trimmed: no memory of its own
  std::size_t next_arena_bytes = first_arena_bytes;
};

struct shared_state {
  std::mutex lock;
  std::array<shelf, std::size_t{class_count} * guard_kinds> shelves;
  std::uint64_t opened = 0;
  std::uint64_t reserved_bytes = 0;
  std::uint64_t trimmed = 0;
  std::atomic<std::uint64_t> acquired_elsewhere{0};  // by threads that have ended
  std::atomic<std::int64_t> in_use_elsewhere{0};

  shelf& shelf_of(int class_index, ramie::guard kind) {
    return shelves[static_cast<std::size_t>(class_index) * guard_kinds + static_cast<std::size_t>(kind)];
  }
};

constinit lasting<shared_state> everything;
shared_state& shared() noexcept { return *everything; }

thread_cache* registered_caches = nullptr;  // under the lock

ramie::guard resolve_automatic() {
  auto& ladder = guard_ladder::instance();
  if (ladder.forced_name_is_unknown()) throw no_guard(std::getenv("RAMIE_GUARD"), "there is no guard of that name");
  if (ramie::guard known = automatic_kind; known != ramie::guard::automatic) return known;
  ramie::guard best = ladder.best();
  if (best == ramie::guard::none) throw no_guard("automatic", ladder.reason(ramie::guard::mprotect));
  automatic_kind = best;
  const char* log = std::getenv("RAMIE_LOG");
  if (log != nullptr && std::strcmp(log, "info") == 0) {
    std::fprintf(stderr, "ramie: stacks are guarded by '%s'%s%s\n", name_of(best),
                 best == ramie::guard::region ? "" : "; region: ", ladder.reason(ramie::guard::region));
  }
  return best;
}

arena& add_arena(shared_state& state, shelf& to, size_class shape, ramie::guard kind) {
  std::size_t total = arena_total.load(std::memory_order_relaxed);
  if (total == all_arenas.size()) throw explain_refusal(12, "arena table", 0);
  std::size_t bytes = std::max(to.next_arena_bytes, 16 * shape.stride_bytes);
  auto made = std::make_unique<arena>(shape, kind, bytes);
  if (to.next_arena_bytes < largest_arena_bytes) to.next_arena_bytes *= 2;
  state.reserved_bytes += made->reserved_bytes();
  all_arenas[total].store(made.get(), std::memory_order_release);
  arena_total.store(total + 1, std::memory_order_release);
  to.arenas.push_back(std::move(made));
  return *to.arenas.back();
}

// At least one free slot on the shelf afterwards, or stack_error. Called with the lock held.
void fill(shared_state& state, shelf& from, size_class shape, ramie::guard kind, std::size_t wanted) {
  if (from.warm != nullptr || from.cold != nullptr) return;
  if (!from.arenas.empty() && !guard_ladder::instance().still_in_force(kind)) throw guard_lost(name_of(kind));
  arena* last = from.arenas.empty() ? nullptr : from.arenas.back().get();
  if (last == nullptr || last->opened() == last->capacity()) last = &add_arena(state, from, shape, kind);
  state.opened += last->open_more(from.cold, wanted);
  RAMIE_CHECK(from.cold != nullptr);
}

// The guard that a request means; falls back along the ladder when the best one fails in use.
ramie::guard prepare_shelf(shared_state& state, const request& wanted, std::size_t count) {
  const size_class shape = class_of(wanted.class_index, os::page_bytes());
  for (;;) {
    ramie::guard kind = wanted.guard == ramie::guard::automatic ? resolve_automatic() : wanted.guard;
    if (kind != ramie::guard::none && !guard_ladder::instance().works(kind)) {
      throw no_guard(name_of(kind), guard_ladder::instance().reason(kind));
    }
    try {
      fill(state, state.shelf_of(wanted.class_index, kind), shape, kind, count);
      return kind;
    } catch (const stack_error& failure) {
      // A rung that the kernel stops serving (memory locked since, a descriptor closed) is left for the next one,
      // unless somebody asked for just this one. A lack of memory is no fault of the rung.
      const bool rung_failed = failure.limit() == stack_limit::guard_lost || failure.limit() == stack_limit::guard;
      if (!rung_failed || wanted.guard != ramie::guard::automatic || guard_ladder::instance().is_forced() ||
          kind == ramie::guard::mprotect) {
        throw;
      }
      guard_ladder::instance().give_up(kind, "it worked at first and failed in use");
      automatic_kind = ramie::guard::automatic;
    }
  }
}

slot* take_from(slot*& list) noexcept {
  slot* taken = list;
  list = taken->next;
  taken->next = nullptr;
  return taken;
}

// Warm ones first: their pages are there, and perhaps still in the processor's cache. Null when both are empty.
slot* take_from(shelf& from) noexcept {
  if (from.warm != nullptr) {
    --from.warm_count;
    return take_from(from.warm);
  }
  return from.cold == nullptr ? nullptr : take_from(from.cold);
}

// Called with the lock held.
void register_cache() {
  if (cache.registered) return;
  cache.registered = true;
  cache.next = registered_caches;
  registered_caches = &cache;
}

void put_on_warm(shelf& to, slot* one) noexcept {
  one->next = to.warm;
  to.warm = one;
  ++to.warm_count;
}

// Cuts off all but `keep` warm slots, those that came last, and hangs the others in front of `surplus`.
void cut_surplus(shelf& from, std::size_t keep, slot*& surplus) noexcept {
  if (from.warm_count <= keep) return;
  slot** end = &from.warm;
  for (std::size_t i = 0; i < keep; ++i) end = &(*end)->next;
  slot* first = std::exchange(*end, nullptr);
  from.warm_count = keep;
  slot** last = &first;
  while (*last != nullptr) last = &(*last)->next;
  *last = surplus;
  surplus = first;
}

// Nobody else knows these slots: their memory is handed back without the lock, then they are cold.
std::size_t trim_all(slot* surplus, trim policy) noexcept {
  std::size_t count = 0;
  while (surplus != nullptr) {
    slot* const first = surplus;
    surplus = hand_back_some(first, policy == trim::free, count);
    shared_state& state = shared();
    std::lock_guard held(state.lock);
    for (slot* one = first; one != surplus;) {
      slot* const next = one->next;
      shelf& to = state.shelf_of(one->class_index, one->guard);
      one->next = to.cold;
      to.cold = one;
      ++state.trimmed;
      one = next;
    }
  }
  return count;
}

void give_to_shelves(slot* first, std::size_t count) noexcept {
  slot* surplus = nullptr;
  const stack_trim_options options = stack_trim();
  {
    shared_state& state = shared();
    std::lock_guard held(state.lock);
    while (count-- > 0) {
      slot* next = first->next;
      shelf& to = state.shelf_of(first->class_index, first->guard);
      put_on_warm(to, first);
      const std::size_t keep = options.keep_bytes / first->usable_bytes;
      if (options.policy != trim::keep && to.warm_count > 2 * keep) cut_surplus(to, keep, surplus);
      first = next;
    }
  }
  trim_all(surplus, options.policy);
}

}  // namespace

constinit thread_local thread_cache cache;
std::atomic<ramie::guard> automatic_kind{ramie::guard::automatic};

request make_request(std::size_t stack_bytes, ramie::guard guard) {
  if (stack_bytes > most_bytes) throw bad_size(stack_bytes);
  return {static_cast<std::uint8_t>(class_for(stack_bytes, os::page_bytes()).index), guard};
}

slot* acquire_shared(const request& wanted) {
  shared_state& state = shared();
  std::lock_guard held(state.lock);
  register_cache();
  ramie::guard kind = prepare_shelf(state, wanted, batch_slots);
  shelf& from = state.shelf_of(wanted.class_index, kind);
  slot* taken = take_from(from);
  if (wanted.guard == ramie::guard::automatic) {
    // A batch for the cache, in the order of addresses, so that fibers made in a row lie in a row.
    cached_list& mine = cache.lists[wanted.class_index];
    slot** tail = &mine.top;
    while (*tail != nullptr) tail = &(*tail)->next;
    for (std::size_t i = 1; i < batch_slots; ++i) {
      *tail = take_from(from);
      if (*tail == nullptr) break;
      tail = &(*tail)->next;
      ++mine.count;
    }
  }
  return taken;
}

void release_shared(slot* used) noexcept {
  used->next = nullptr;
  give_to_shelves(used, 1);
  cached_list& mine = cache.lists[used->class_index];
  if (mine.count < cached_slots_most) return;
  // The cache is full: half of it goes back, the half that was not used lately.
  slot* keep = mine.top;
  for (std::size_t i = 1; i < cached_slots_most / 2; ++i) keep = keep->next;
  const std::size_t surplus = mine.count - cached_slots_most / 2;
  mine.count = cached_slots_most / 2;
  slot* first = keep->next;
  keep->next = nullptr;
  give_to_shelves(first, surplus);
}

std::size_t trim_free() noexcept {
  slot* surplus = nullptr;
  {
    shared_state& state = shared();
    std::lock_guard held(state.lock);
    for (cached_list& list : cache.lists) {
      while (list.top != nullptr) {
        slot* one = take_from(list.top);
        put_on_warm(state.shelf_of(one->class_index, one->guard), one);
      }
      list = {};
    }
    for (shelf& one : state.shelves) cut_surplus(one, 0, surplus);
  }
  return trim_all(surplus, stack_trim().policy);
}

void count_this_thread(const void* shelf, std::uint32_t (*shelved)(const void* shelf) noexcept) noexcept {
  std::lock_guard held(shared().lock);
  register_cache();
  cache.shelf = shelf;
  cache.shelved = shelved;
}

void release_thread_cache() noexcept {
  for (cached_list& list : cache.lists) {
    if (list.top != nullptr) give_to_shelves(list.top, list.count);
    list = {};
  }
  if (!cache.registered) return;
  shared_state& state = shared();
  std::lock_guard held(state.lock);
  state.acquired_elsewhere += cache.acquired;
  state.in_use_elsewhere += cache.in_use;
  cache.acquired = 0;
  cache.in_use = 0;
  for (thread_cache** place = &registered_caches; *place != nullptr; place = &(*place)->next) {
    if (*place == &cache) {
      *place = cache.next;
      break;
    }
  }
  cache.registered = false;
}

slot* slot_at(std::uintptr_t address) noexcept {
  const std::size_t total = arena_total.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < total; ++i) {
    if (slot* found = all_arenas[i].load(std::memory_order_acquire)->slot_at(address)) return found;
  }
  return nullptr;
}

std::size_t most_used_bytes(const slot& of) noexcept {
  const long pages = os::resident_from_top(of.low, of.high());
  return pages < 0 ? 0 : static_cast<std::size_t>(pages) * os::page_bytes();
}

std::size_t guard_bytes_of(const slot& of) noexcept {
  return of.guard == ramie::guard::none ? 0 : class_of(of.class_index, os::page_bytes()).guard_bytes;
}

namespace {

void before_fork() noexcept { shared().lock.lock(); }
void after_fork_parent() noexcept { shared().lock.unlock(); }

// The caches of the threads that are not here: what lies in them is lost.
void forget_other_caches(shared_state& state) noexcept {
  for (const thread_cache* one = registered_caches; one != nullptr; one = one->next) {
    if (one == &cache) continue;
    state.acquired_elsewhere += one->acquired;
    state.in_use_elsewhere += one->in_use;
    if (one->shelved != nullptr) state.in_use_elsewhere -= one->shelved(one->shelf);
  }
  registered_caches = cache.registered ? &cache : nullptr;
  cache.next = nullptr;
}

void after_fork_child() noexcept {
  forget_other_caches(shared());
  guard_ladder::instance().renew_in_child();
  mapping_budget::instance().recount();
  const std::size_t total = arena_total.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < total; ++i) {
    arena& one = *all_arenas[i].load(std::memory_order_acquire);
    if (one.opened() == 0 || one.kind() == ramie::guard::none) continue;
    const int error = one.renew_in_child();
    if (error != 0) {
      std::fprintf(stderr, "ramie: in this forked child %zu stacks have lost their guards (%s)\n", one.opened(),
                   name_of(one.kind()));
      for (std::size_t slot_index = 0; slot_index < one.opened(); ++slot_index) {
        one.record(slot_index)->guard = ramie::guard::none;
      }
    }
  }
  shared().lock.unlock();
}

// The lists must be whole in the child, and guards in force again before anything else runs there.
[[gnu::constructor(101)]] void see_to_forks() { pthread_atfork(&before_fork, &after_fork_parent, &after_fork_child); }

}  // namespace

std::mutex& pool_lock() noexcept { return shared().lock; }

}  // namespace ramie::stack

namespace ramie {

stack_counts count_stacks() noexcept {
  stack::shared_state& state = stack::shared();
  std::lock_guard held(state.lock);
  stack_counts counts{};
  counts.guard = stack::automatic_kind;
  if (counts.guard == guard::automatic) counts.guard = stack::guard_ladder::instance().best();
  counts.opened = state.opened;
  counts.reserved_bytes = state.reserved_bytes;
  counts.trimmed = state.trimmed;
  counts.acquired = state.acquired_elsewhere;
  std::int64_t in_use = state.in_use_elsewhere;
  for (auto* one = stack::registered_caches; one != nullptr; one = one->next) {
    counts.acquired += one->acquired;
    in_use += one->in_use;
    if (one->shelved != nullptr) in_use -= one->shelved(one->shelf);
  }
  counts.in_use = in_use < 0 ? 0 : static_cast<std::uint64_t>(in_use);
  return counts;
}

std::size_t trim_stacks() noexcept { return stack::trim_free(); }

}  // namespace ramie
