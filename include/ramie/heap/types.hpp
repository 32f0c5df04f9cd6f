// The small types of <ramie/heap.hpp>: refs, the visitor that `trace` gets, sources of roots, errors.
//
// Status: experimental.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace ramie {

class heap;
class visitor;
template <class T>
class root;

// --- errors ---------------------------------------------------------------------------------------------------------

enum class heap_errc {
  other_thread = 1,  // the heap belongs to another thread
  collecting,        // a `trace` or a root source asked the heap that is just collecting for something
  no_heap,           // an empty root cannot take an object: it belongs to no heap
  bad_options,       // heap_options that contradict each other
};

// The caller's mistake; nothing has changed.
class heap_error : public std::logic_error {
 public:
  heap_error(heap_errc code, const std::string& what) : std::logic_error(what), code_(code) {}
  [[nodiscard]] heap_errc code() const noexcept { return code_; }

 private:
  heap_errc code_;
};
[[noreturn]] void throw_heap_error(heap_errc code);

// Memory was refused, by the heap's limit or by the system, after a collection. The heap is as it was and goes on as
// soon as something is let go. Its code is errc::not_enough_memory.
class heap_full : public std::system_error {
 public:
  heap_full(const std::string& what, std::size_t asked, std::size_t used, std::size_t limit)
      : std::system_error(std::make_error_code(std::errc::not_enough_memory), what),
        asked_bytes(asked),
        used_bytes(used),
        limit_bytes(limit) {}
  std::size_t asked_bytes, used_bytes, limit_bytes;
};

// --- refs and tracing -----------------------------------------------------------------------------------------------

// A field of an object that refers to another object of the same heap, or to a part of one. Eight bytes, trivial to
// copy, no barrier: assigning is one store. Keeps its object only while its holder's `trace` shows it.
template <class T>
class ref {
 public:
  ref() noexcept = default;
  ref(std::nullptr_t) noexcept {}                        // NOLINT: as a pointer
  explicit ref(T* object) noexcept : object_(object) {}  // of this heap, or of none
  template <class U>
  requires(!std::is_same_v<T, U> && std::is_convertible_v<U*, T*>) ref(ref<U> other)
  noexcept : object_(other.get()) {}  // NOLINT: converts as pointers do

  [[nodiscard]] T* get() const noexcept { return object_; }
  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  friend bool operator==(const ref&, const ref&) noexcept = default;

 private:
  T* object_ = nullptr;
};

template <class T>
concept traced = requires(const T& object, visitor& visit) {
  object.trace(visit);
};

// What a type's `void trace(ramie::visitor& visit) const` shows its refs to: `visit(left, right, children)`. Takes
// refs, ranges of such, and objects with a `trace` of their own. A trace reads only its object, asks nothing of the
// heap, and does not switch fibers; what it throws ends the collection and comes out of `collect` or `make`.
class visitor {
 public:
  template <class... Fields>
  void operator()(const Fields&... fields) {
    (field(fields), ...);
  }
  // For pointer types of your own; null and what is no object of this heap are ignored.
  void pointer(const void* object) {
    const auto address = reinterpret_cast<std::uintptr_t>(object);
    if (address - wanted_begin_ >= wanted_bytes_) return;
    if (next_ == end_) more_room_(*this);
    *next_++ = address;
  }

 protected:
  // Made by the heap only.
  visitor(std::uintptr_t* next, std::uintptr_t* end, void (*more_room)(visitor&)) noexcept
      : next_(next), end_(end), more_room_(more_room) {}
  ~visitor() = default;
  visitor(const visitor&) = delete;
  visitor& operator=(const visitor&) = delete;

  // Only these addresses are of interest; they are kept in a buffer that is the collector's mark stack.
  std::uintptr_t wanted_begin_ = 0;
  std::uintptr_t wanted_bytes_ = 0;
  std::uintptr_t* next_;
  std::uintptr_t* end_;

 private:
  template <class T>
  void field(const ref<T>& one) {
    pointer(one.get());
  }
  template <class T>
  requires(traced<T> || std::ranges::input_range<const T>) void field(const T& part) {
    if constexpr (traced<T>) {
      part.trace(*this);
    } else {
      for (const auto& each : part) field(each);
    }
  }

  void (*more_room_)(visitor&);  // makes next_ < end_
};

// --- roots that the heap does not hold ------------------------------------------------------------------------------

// Memory [begin, end), 8-byte aligned, that may hold pointers to objects or into them.
struct root_range {
  const void* begin = nullptr;
  const void* end = nullptr;
};

// Where a source tells its ranges. Valid during `report` only.
class root_scan {
 public:
  // Read now and forgotten: for what is running.
  virtual void range(root_range now) = 0;
  // One place per parked stack, always in the same order. A generation of 0 is an empty place. A range is read when
  // its place's generation differs from the one this heap saw there last; of the others not a byte is touched, so a
  // source must raise the generation of whatever may have been written. Places beyond the end are empty.
  // Cost: 4 bytes read per unchanged place, about 150 ns per changed one.
  virtual void parked(std::span<const std::uint32_t> generations, std::span<const root_range> ranges) = 0;

 protected:
  ~root_scan() = default;
};

// Knows memory outside the heap that may hold pointers to its objects: the stacks of parked fibers, say. Every word is
// taken for a pointer if it could be one, also into the middle of an object; one past the end is the next object.
class root_source {
 public:
  // On the heap's thread, at the start of every collection. May not use the heap; what it throws ends the collection.
  virtual void report(root_scan& scan) = 0;

 protected:
  ~root_source() = default;
};

// --- what the heap knows of a type ----------------------------------------------------------------------------------

struct heap_type {
  void (*trace)(const void* object, visitor& visit);  // null: refers to nothing
  void (*destroy)(void* object) noexcept;             // null: trivially destructible
  std::uint32_t object_bytes;
  std::uint32_t alignment_bytes;
  std::string_view name;
  mutable std::atomic<std::uint32_t> number = 0;  // 1, 2, 3 ... in the order of first use; 0: not used yet
};

// T as the compiler spells it.
template <class T>
constexpr std::string_view heap_type_name() {
  const std::string_view text = __PRETTY_FUNCTION__;
  const std::size_t begin = text.find("T = ") + 4;
  return text.substr(begin, text.find_first_of(";]", begin) - begin);
}

template <class T>
constexpr decltype(heap_type::trace) heap_trace_of() {
  if constexpr (traced<T>) {
    return [](const void* object, visitor& visit) { static_cast<const T*>(object)->trace(visit); };
  } else {
    return nullptr;
  }
}
template <class T>
constexpr decltype(heap_type::destroy) heap_destroy_of() {
  if constexpr (std::is_trivially_destructible_v<T>) {
    return nullptr;
  } else {
    return [](void* object) noexcept { static_cast<T*>(object)->~T(); };
  }
}

template <class T>
const heap_type& heap_type_of() {
  static_assert(
      traced<T> || !requires(T & object, visitor & visit) { object.trace(visit); }, "trace must be const");
  // Made by the compiler: what the program makes at first use a fork by another thread can leave half made.
  static constinit const heap_type type = {heap_trace_of<T>(), heap_destroy_of<T>(), sizeof(T), alignof(T),
                                           heap_type_name<T>()};
  return type;
}

}  // namespace ramie
