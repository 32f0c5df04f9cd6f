// The ladder of guard mechanisms: which works here, and putting guards in force.
//
// A rung counts as working only when the kernel refused (EFAULT) to write into a page that the rung had guarded; a
// call's return value proves nothing (emulators answer 0 and do nothing, old kernels "protect" pages that are not
// there). Tried at first use, at the first guard of each batch, and again in a forked child.
//
// Callers hold the stack room's lock, except for install() on disjoint arenas; see arena.cpp.
#pragma once

#include "os/memory.hpp"

#include <ramie/stack.hpp>

#include <cstddef>
#include <cstdint>

namespace ramie::stack {

class guard_ladder {
 public:
  // The process-wide ladder: one descriptor per userfaultfd rung in use, one probe pipe.
  static guard_ladder& instance() noexcept {
    if (!the_ladder_.environment_is_read_) [[unlikely]]
      the_ladder_.read_environment();
    return the_ladder_;
  }

  // The rung that RAMIE_GUARD forces, else the best that works; `none` when nothing does. Probes at first use.
  ramie::guard best();
  // Whether this rung works here; probes it at first use.
  bool works(ramie::guard kind);
  // After a rung failed in use: best() will not answer it any more. `reason` must be a literal.
  void give_up(ramie::guard kind, const char* reason) noexcept;
  // Why it does not, or "".
  const char* reason(ramie::guard kind);
  // RAMIE_GUARD holds a name that is none of ours.
  [[nodiscard]] bool forced_name_is_unknown() const noexcept { return unknown_name_; }
  [[nodiscard]] bool is_forced() const noexcept { return forced_ != ramie::guard::automatic; }

  // Prepares a reservation for a rung: registers it with the userfaultfd where the rung needs that. 0 or an errno.
  int adopt(ramie::guard kind, void* address, std::size_t bytes) noexcept;
  // Guards `bytes` at each address, which lie in opened parts of adopted reservations, and probes the first.
  // 0, an errno of the kernel, or EXDEV when the calls succeeded and the probe shows that nothing is protected.
  int install(ramie::guard kind, const std::uintptr_t* addresses, std::size_t count, std::size_t bytes) noexcept;
  // 0 when the guard at this address is in force.
  int probe(std::uintptr_t address) noexcept;
  // False once somebody closed the descriptor that the wp rungs live by.
  bool still_in_force(ramie::guard kind) noexcept;

  // In a forked child, before any stack is taken or switched to: the inherited descriptor acts on the parent's memory.
  // The wp rungs must then be adopted and installed again; the others hold.
  void renew_in_child() noexcept;

 private:
  constexpr guard_ladder() = default;
  void read_environment() noexcept;
  struct rung;
  rung& rung_of(ramie::guard kind) noexcept;
  void try_rung(ramie::guard kind) noexcept;

  ramie::guard forced_ = ramie::guard::automatic;
  bool unknown_name_ = false;
  bool environment_is_read_ = false;
  static guard_ladder the_ladder_;
};

}  // namespace ramie::stack
