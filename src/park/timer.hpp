// Something that is due at a time. Lies in whoever set it; the host keeps an entry for it. Home thread only.
//
// It usually lies on a stack that nobody has touched for long, so a host that went from timer to timer would wait for
// memory at each. It goes from entry to entry, which lie close together; the one in here is for when there is no memory
// for another.
#pragma once

#include <cstdint>

namespace ramie::inline v0::parking {

struct timer;

struct timer_link {
  timer_link* next;
  timer_link* previous;
};
struct timer_entry : timer_link {
  timer* of;
  std::int64_t due_ns;
};

struct timer {
  timer_entry* entry = nullptr;  // null: not set
  void (*fire)(timer& self) noexcept = nullptr;
  std::int64_t due_ns = 0;  // on the host's clock
  timer_entry own;          // not touched as long as there is memory

  timer() noexcept {}  // NOLINT(cppcoreguidelines-pro-type-member-init): `own`
  [[nodiscard]] bool is_set() const noexcept { return entry != nullptr; }
};

}  // namespace ramie::inline v0::parking
