// A garbage-collected heap whose pages stay shared after fork.
//
// Status: experimental.
//
//   struct node {
//     ramie::ref<node> left, right;
//     int value = 0;
//     void trace(ramie::visitor& visit) const { visit(left, right); }
//   };
//   ramie::heap h;
//   ramie::root<node> top = h.make<node>();
//   top->left = h.make<node>();          // a ref in an object that a root reaches keeps the object
//   h.freeze();                          // then fork: collecting in a child does not copy what is frozen
//
// Nothing of the collector's lies in an object: no header, mark, age, link or poison. Marks, allocation bits and
// destructor flags are bitmaps elsewhere; sweeping is an exchange of two of them.
//
// What keeps an object: a `root`, a `ref` that a kept object's `trace` shows, a word in a range that a `root_source`
// shows. A plain pointer or a `ref` in a local variable does not: a collection may run in any `make`.
//
// Thread: a heap and its roots belong to one thread at a time; any other gets heap_error (other_thread). `release` and
// `adopt` pass it on.
#pragma once

#include <ramie/heap/types.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace ramie {

namespace heaps {
struct state;  // what a heap consists of: src/heap/state.hpp
}

struct heap_options {
  std::size_t reserve_bytes = std::size_t{16} << 30;    // address space, 2 MiB to 64 GiB; halved where it is refused
  std::size_t limit_bytes = 0;                          // of blocks in use; 0: all that is reserved
  std::size_t first_collection_bytes = 4 << 20;         // no automatic collection before so much was allocated
  unsigned growth_percent = 100;                        // the next one after this share of what lives was allocated
  unsigned reuse_percent = 25;                          // a block's holes are filled when so much of it is free
  std::size_t mark_stack_bytes = std::size_t{1} << 30;  // address space; a full one costs time, never a wrong result
  bool collect_automatically = true;                    // false: only `collect`, `freeze` and an exhausted limit do
  bool huge_pages = false;                              // ask for them: faster marks and forks, coarser release
};

struct heap_statistics {
  std::size_t live_objects = 0;    // allocated and not yet found dead
  std::size_t live_bytes = 0;      // their cells
  std::size_t used_bytes = 0;      // the blocks that hold them
  std::size_t limit_bytes = 0;     //
  std::size_t sealed_objects = 0;  // frozen: kept whether reachable or not
  std::size_t sealed_bytes = 0;    // their blocks
  std::size_t metadata_bytes = 0;  // opened for bitmaps, tables and roots
  std::size_t roots = 0;
  std::size_t pinned_objects = 0;  // found in ranges that have not changed since
  std::size_t old_blocks = 0;      // nothing was allocated in them for three collections
  std::uint64_t collections = 0;
  std::uint64_t destructors_run = 0;
  std::uint64_t dangling_refs = 0;  // met by collections: a `trace` that shows less than it should; `verify` names them
  struct collection {
    std::size_t freed_objects = 0;
    std::size_t ranges_scanned = 0;        // of root sources: the changed ones
    std::size_t mark_stack_overflows = 0;  // each cost one more pass over the marked
    std::int64_t roots_ns = 0;             // roots, sources: what grows with the number of fibers
    std::int64_t mark_ns = 0;
    std::int64_t sweep_ns = 0;
  } last;
};

// A heap of objects of any type. See the top of this file and docs/guide/heap.md.
class heap {
 public:
  // Reserves address space; throws heap_full where even 2 MiB are refused, heap_error (bad_options) for nonsense.
  explicit heap(const heap_options& options = {});
  // Runs the destructor of every object that has one. No root may be left: that is a failed check.
  ~heap();
  heap(const heap&) = delete;
  heap& operator=(const heap&) = delete;

  // A new T, rooted by the result. May collect first. What T's constructor throws is passed on and leaves nothing;
  // heap_full when memory is refused after a collection, and the heap is as it was. 20 to 30 ns for a small object,
  // collections of garbage included.
  template <class T, class... Arguments>
  [[nodiscard]] root<T> make(Arguments&&... arguments) {
    return make_with_tail<T>(0, std::forward<Arguments>(arguments)...);
  }

  // The same with `tail_bytes` of room directly behind the T (uninitialised; not traced unless T::trace does).
  template <class T, class... Arguments>
  [[nodiscard]] root<T> make_with_tail(std::size_t tail_bytes, Arguments&&... arguments);

  // Finds what is reachable, frees the rest, runs destructors of what died (docs/guide/heap.md: what they may do).
  // An object with a destructor, and what only it refers to, is freed by the collection after the one that ran it.
  void collect();

  // Before fork: collects until no destructor is left to run, gives empty blocks back and seals all others. Sealed
  // objects live until `thaw`; nothing is allocated into their blocks, and no collection writes their marks.
  void freeze();
  // Sealed objects are ordinary again.
  void thaw();
  [[nodiscard]] bool frozen() const;

  // Exact, counted now: about 10 ns per block.
  [[nodiscard]] heap_statistics statistics() const;
  // Reads everything and says what is wrong, at most 16 lines; empty when all is well. A ref to freed memory is how a
  // forgotten field in a `trace` shows.
  [[nodiscard]] std::vector<std::string> verify() const;

  // The source must outlive the heap or be removed. Not from within its own report.
  void add_root_source(root_source& source);
  void remove_root_source(root_source& source);

  // Gives the heap up; afterwards any one thread may adopt it. Roots go with it.
  void release();
  // Takes a released heap, or one whose owner is gone because another thread forked this process: a collection that
  // the fork interrupted is dropped. heap_error (other_thread) when somebody owns it.
  void adopt();

 private:
  template <class T>
  friend class root;
  // A cell that is kept although no T is in it yet, and the slot that keeps it.
  [[gnu::returns_nonnull]] void* begin_birth(const heap_type& type, std::size_t tail_bytes, void**& slot);
  void finish_birth(void* cell) noexcept;
  void abort_birth(void* cell, void** slot) noexcept;

  std::unique_ptr<heaps::state> state_;
};

namespace heaps {
// A slot of the heap's table of roots. Owner thread; releasing elsewhere is a failed check, taking throws other_thread.
void** take_slot(state& owner, void* object);
void** copy_slot(void* const* slot);
void release_slot(void** slot) noexcept;
}  // namespace heaps

// Keeps an object and what it refers to. A pointer of eight bytes to a slot in the heap's table: a collection reads the
// table, never the place where the root itself lies, so roots on a million parked stacks cost no look at a stack.
// Empty, it belongs to no heap. Copying takes a slot (about 5 ns); moving does not.
template <class T>
class root {
 public:
  root() noexcept = default;
  root(heap& owner, ref<T> object) : slot_(heaps::take_slot(*owner.state_, address(object.get()))) {}
  root(const root& other) : slot_(other.slot_ ? heaps::copy_slot(other.slot_) : nullptr) {}
  root(root&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  template <class U>
  requires(!std::is_same_v<T, U> && std::is_convertible_v<U*, T*>)
      root(const root<U>& other)  // NOLINT: converts as pointers do
      : slot_(other.slot_ ? heaps::copy_slot(other.slot_) : nullptr) {
    if (slot_) *slot_ = address(static_cast<T*>(other.get()));
  }
  template <class U>
  requires(!std::is_same_v<T, U> && std::is_convertible_v<U*, T*>) root(root<U>&& other)
  noexcept {  // NOLINT: converts as pointers do
    T* object = other.get();
    slot_ = std::exchange(other.slot_, nullptr);
    if (slot_) *slot_ = address(object);
  }
  ~root() { reset(); }
  root& operator=(root other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  // Another object of the same heap; an empty root has none and throws heap_error (no_heap).
  template <class U>
  requires std::is_convertible_v<U*, T*> root& operator=(ref<U> object) {
    if (!slot_) throw_heap_error(heap_errc::no_heap);
    *slot_ = address(static_cast<T*>(object.get()));
    return *this;
  }
  void reset() noexcept {
    if (slot_) heaps::release_slot(std::exchange(slot_, nullptr));
  }

  [[nodiscard]] T* get() const noexcept { return slot_ ? static_cast<T*>(*slot_) : nullptr; }
  // Not of an empty root, as with a null pointer.
  T* operator->() const noexcept { return static_cast<T*>(*slot_); }
  T& operator*() const noexcept { return *static_cast<T*>(*slot_); }
  explicit operator bool() const noexcept { return get() != nullptr; }
  template <class U>
  requires std::is_convertible_v<T*, U*>
  operator ref<U>() const noexcept {  // NOLINT: so that `parent->child = h.make<node>()` reads as it should
    return ref<U>(get());
  }

 private:
  template <class U>
  friend class root;
  friend class heap;
  struct takes {};
  root(takes, void** slot) noexcept : slot_(slot) {}
  static void* address(T* object) noexcept { return const_cast<std::remove_cv_t<T>*>(object); }

  void** slot_ = nullptr;
};

template <class T, class... Arguments>
root<T> heap::make_with_tail(std::size_t tail_bytes, Arguments&&... arguments) {
  static_assert(!std::is_reference_v<T> && !std::is_const_v<T> && std::is_object_v<T> && !std::is_array_v<T>,
                "a heap makes objects: no references, arrays or const types (root<const T> is fine)");
  static_assert(alignof(T) <= 4096, "a heap aligns to a page at most");
  static_assert(std::is_nothrow_destructible_v<T>, "a collection cannot pass on what a destructor throws");
  const heap_type& type = heap_type_of<T>();
  void** slot = nullptr;
  void* const cell = begin_birth(type, tail_bytes, slot);
  if constexpr (std::is_nothrow_constructible_v<T, Arguments...>) {
    *slot = ::new (cell) T(std::forward<Arguments>(arguments)...);
  } else {
    try {
      *slot = ::new (cell) T(std::forward<Arguments>(arguments)...);
    } catch (...) {
      abort_birth(cell, slot);
      throw;
    }
  }
  if constexpr (!std::is_trivially_destructible_v<T>) finish_birth(cell);
  return root<T>(typename root<T>::takes{}, slot);
}

}  // namespace ramie
