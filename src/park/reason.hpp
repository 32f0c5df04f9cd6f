// What a task waits for: the word that tools print, and how the wait is called off.
#pragma once

#include <ramie/park/wait_list.hpp>

namespace ramie::inline v0::parking {

// One per kind of wait, static.
struct wait_kind {
  const char* name;  // "mutex", "channel receive"
  // Takes the waiter out of wherever it waits: true, nobody will wake it any more; false, somebody is about to.
  // Home thread. Null: the wait cannot be called off.
  bool (*withdraw)(waiter& one) noexcept;
};

}  // namespace ramie::inline v0::parking
