#include "context/stack_life.hpp"

#include <ramie/context/sanitizer.hpp>

#if defined(RAMIE_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#elif !defined(RAMIE_TSAN) && __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define RAMIE_TELLS_VALGRIND 1
#endif

#include <algorithm>

namespace ramie::inline v0::context {

#if defined(RAMIE_ASAN)

const bool stacks_are_watched = true;

namespace {

// Deeper than that a pointer into an ended fiber is not caught; larger stacks would cost a second of poisoning each.
constexpr std::uintptr_t most_poisoned_bytes = std::uintptr_t{256} << 10;

const void* poisoned_from(std::uintptr_t low, std::uintptr_t high) noexcept {
  return reinterpret_cast<const void*>(high - std::min(high - low, most_poisoned_bytes));
}

}  // namespace

void* tell_stack_begins(std::uintptr_t low, std::uintptr_t high) noexcept {
  __asan_unpoison_memory_region(poisoned_from(low, high), std::min(high - low, most_poisoned_bytes));
  __lsan_register_root_region(reinterpret_cast<const void*>(low), high - low);
  return nullptr;
}

void stack_unwinds() noexcept { __asan_handle_no_return(); }

void* tell_stack_lent(std::uintptr_t low, std::uintptr_t high) noexcept { return tell_stack_begins(low, high); }

void tell_stack_ends(void*, std::uintptr_t low, std::uintptr_t high) noexcept {
  __lsan_unregister_root_region(reinterpret_cast<const void*>(low), high - low);
  __asan_poison_memory_region(poisoned_from(low, high), std::min(high - low, most_poisoned_bytes));
}

#elif defined(RAMIE_TSAN)

const bool stacks_are_watched = true;

void stack_unwinds() noexcept {}
void* tell_stack_begins(std::uintptr_t, std::uintptr_t) noexcept { return __tsan_create_fiber(0); }
void* tell_stack_lent(std::uintptr_t, std::uintptr_t) noexcept { return nullptr; }

void tell_stack_ends(void* record, std::uintptr_t, std::uintptr_t) noexcept {
  if (record != nullptr) __tsan_destroy_fiber(record);
}

#elif defined(RAMIE_TELLS_VALGRIND)

namespace {

// The first frame is laid by hand, below up to 960 bytes of colouring; the portable twin's takes 1,100.
constexpr std::uintptr_t first_frame_bytes = 2560;

}  // namespace

// Asked once: a client request costs 3 ns also where nobody listens.
const bool stacks_are_watched = [] { return RUNNING_ON_VALGRIND != 0; }();

void stack_unwinds() noexcept {}

void* tell_stack_begins(std::uintptr_t low, std::uintptr_t high) noexcept {
  // What lies below the stack pointer of a thread may not be read, nor here; memcheck opens it frame by frame.
  VALGRIND_MAKE_MEM_NOACCESS(low, high - low);
  VALGRIND_MAKE_MEM_UNDEFINED(high - first_frame_bytes, first_frame_bytes);
  // Of code within 512 bytes of a stack's end it shows one frame only, so the end that it hears of is farther up.
  const std::uintptr_t number = VALGRIND_STACK_REGISTER(low, high - 1 + 1024);
  return reinterpret_cast<void*>(number + 1);  // null: started before anybody was asked, by a static object
}

void* tell_stack_lent(std::uintptr_t low, std::uintptr_t high) noexcept { return tell_stack_begins(low, high); }

void tell_stack_ends(void* record, std::uintptr_t low, std::uintptr_t high) noexcept {
  if (record == nullptr) return;
  VALGRIND_STACK_DEREGISTER(reinterpret_cast<std::uintptr_t>(record) - 1);
  VALGRIND_MAKE_MEM_NOACCESS(low, high - low);
}

#else

const bool stacks_are_watched = false;

void* tell_stack_begins(std::uintptr_t, std::uintptr_t) noexcept { return nullptr; }
void* tell_stack_lent(std::uintptr_t, std::uintptr_t) noexcept { return nullptr; }
void stack_unwinds() noexcept {}
void tell_stack_ends(void*, std::uintptr_t, std::uintptr_t) noexcept {}

#endif

}  // namespace ramie::inline v0::context
