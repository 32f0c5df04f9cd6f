// What AddressSanitizer and ThreadSanitizer must be told at a switch; empty where neither is compiled in.
//
// Status: experimental; inlined into users' code, not for direct use.
//
// Each switch is framed: depart() before, arrive() after. The production switch is the one that is checked: only these
// notes are added. The library has to be built with the checker that its user is built with: the first switch to a
// fiber and its last one are compiled there, and there the checkers hear of stacks (src/context/stack_life.hpp).
#pragma once

#include <ramie/context/control_block.hpp>

#if defined(__SANITIZE_ADDRESS__)
#define RAMIE_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define RAMIE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RAMIE_ASAN 1
#elif __has_feature(thread_sanitizer)
#define RAMIE_TSAN 1
#endif
#endif

#if defined(RAMIE_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#elif defined(RAMIE_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace ramie {
inline namespace v0 {
namespace context {

#if defined(RAMIE_ASAN)

class crossing {
 public:
  [[gnu::always_inline]] void depart(const control_block* to) noexcept {
    __sanitizer_start_switch_fiber(&fake_stack_, reinterpret_cast<const void*>(to->stack_low),
                                   to->stack_high - to->stack_low);
  }
  [[gnu::always_inline]] void arrive() noexcept { __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr); }
  // The leaver never comes back: its fake stack is released.
  static void depart_for_good(const control_block* to) noexcept {
    __sanitizer_start_switch_fiber(nullptr, reinterpret_cast<const void*>(to->stack_low),
                                   to->stack_high - to->stack_low);
  }
  static void arrive_first() noexcept { __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr); }
  static void* current_record() noexcept { return nullptr; }

 private:
  void* fake_stack_ = nullptr;
};

#elif defined(RAMIE_TSAN)

class crossing {
 public:
  [[gnu::always_inline]] void depart(const control_block* to) noexcept { __tsan_switch_to_fiber(to->checker, 0); }
  [[gnu::always_inline]] void arrive() noexcept {}
  static void depart_for_good(const control_block* to) noexcept { __tsan_switch_to_fiber(to->checker, 0); }
  static void arrive_first() noexcept {}
  static void* current_record() noexcept { return __tsan_get_current_fiber(); }
};

#else

class crossing {
 public:
  [[gnu::always_inline]] void depart(const control_block*) noexcept {}
  [[gnu::always_inline]] void arrive() noexcept {}
  static void depart_for_good(const control_block*) noexcept {}
  static void arrive_first() noexcept {}
  static void* current_record() noexcept { return nullptr; }
};

#endif

}  // namespace context
}  // namespace v0
}  // namespace ramie
