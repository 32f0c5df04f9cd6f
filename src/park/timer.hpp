// Something that is due at a time. Lies in whoever set it; the host keeps a list. Home thread only.
#pragma once

#include <cstdint>

namespace ramie::inline v0::parking {

struct timer {
  timer* next = nullptr;
  timer* previous = nullptr;
  std::int64_t due_ns = 0;          // on the host's clock
  std::uint32_t slot = UINT32_MAX;  // of the host's wheel; UINT32_MAX: not set
  void (*fire)(timer& self) noexcept = nullptr;

  [[nodiscard]] bool is_set() const noexcept { return slot != UINT32_MAX; }
};

}  // namespace ramie::inline v0::parking
