// One of several things that a select() (select.hpp) waits for: what a waiting object supplies to take part.
//
// Status: experimental.
//
// The selection tries its arms first, in turn, while nobody can see it. When none can happen it puts a waiter into each
// object's list; from then on any thread may claim it, once, through any of its arms. Before it returns it is out of
// all lists. It never claims itself for an arm of its own: what becomes possible while it goes into the lists makes it
// leave them all and try again, so two selections that meet cannot each wait for the other to let go.
#pragma once

#include <ramie/park/wait.hpp>

#include <cstddef>
#include <cstdint>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {
namespace parking {

enum class arm_state : unsigned char {
  happened,
  not_yet,
  never  // it cannot happen any more
};

class arm {
 public:
  arm() noexcept = default;
  arm(const arm&) = delete;
  arm& operator=(const arm&) = delete;

  // Does it, if that can be done at once. May throw: then nothing was done, and the selection ends.
  virtual arm_state try_now() = 0;
  // Puts `me` into the object's list; false, and not there, when it may be possible now.
  virtual bool enlist() noexcept = 0;
  // Out of the list, under its lock: afterwards nobody looks at `me`. Also when it was taken out already.
  virtual void withdraw() noexcept = 0;
  // Woken through this arm: did it happen? False: the object was closed, try all again.
  [[nodiscard]] virtual bool has_happened() noexcept = 0;
  // The body of the one that happened.
  virtual void run() = 0;

  waiter me;
  std::int64_t limit_ns = INT64_MAX;  // not the greatest value: this arm happens after so long, and has no list
  arm_state state = arm_state::not_yet;
  bool stands = false;  // in its list, or was taken out of it by who claimed the selection

 protected:
  ~arm() = default;
};

}  // namespace parking
}  // namespace v0
}  // namespace ramie
#pragma GCC visibility pop
