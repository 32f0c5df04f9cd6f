// What an overflow prints. Runs in a signal handler on the alternate stack: no allocation, no locks, one write.
#include "fiber/life.hpp"
#include "fiber/overflow.hpp"
#include "os/memory.hpp"

#include <unistd.h>

#include <cstdio>

namespace ramie::inline v0::control {

void report_overflow(const stack::slot& slot, std::uintptr_t address, std::uintptr_t stack_pointer,
                     const void*) noexcept {
  char text[1024];
  const auto* fiber = static_cast<const control_block*>(slot.owner);
  const unsigned long long usable_kib = slot.usable_bytes >> 10;
  int length = 0;
  if (stack_pointer >= slot.low - (std::uintptr_t{1} << 20) && stack_pointer <= slot.high()) {
    length = std::snprintf(text, sizeof text,
                           "ramie: stack overflow in %s: all %llu KiB of its stack are used (guard: %s).\n"
                           "ramie: ask for more, .stack_bytes = %llu << 10, or find the recursion below.\n",
                           fiber_title(fiber).text, usable_kib, name_of(slot.guard), usable_kib * 2);
  } else {
    length = std::snprintf(text, sizeof text,
                           "ramie: a wild access to %#llx, the guard of %s's stack, from code that runs on another "
                           "stack.\n",
                           static_cast<unsigned long long>(address), fiber_title(fiber).text);
  }
  if (length > 0) static_cast<void>(write(STDERR_FILENO, text, static_cast<std::size_t>(length)) != 0);
}

}  // namespace ramie::inline v0::control
