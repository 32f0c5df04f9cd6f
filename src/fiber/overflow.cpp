#include "fiber/overflow.hpp"

#include "backtrace/symbolizer.hpp"
#include "fiber/life.hpp"
#include "os/fault_handler.hpp"
#include "os/thread_stack.hpp"
#include "stack/pool.hpp"

#include <utility>

namespace ramie::inline v0::control {
namespace {

// What a report needs of an alternate signal stack.
constexpr std::size_t report_bytes = std::size_t{64} << 10;
constinit thread_local void* alternate = nullptr;

std::uintptr_t stack_pointer_of(const void* machine) noexcept {
#if defined(__x86_64__)
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(machine)->uc_mcontext.gregs[REG_RSP]);
#else
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(machine)->uc_mcontext.sp);
#endif
}

void on_fault(int signal, siginfo_t* about, void* machine) {
  const auto address = reinterpret_cast<std::uintptr_t>(about->si_addr);
  const stack::slot* slot = stack::slot_at(address);
  // A fault in the guard, of a stack in use. A fault inside a stack's usable part is none of our business.
  const bool is_ours = slot != nullptr && slot->owner != nullptr && address < slot->low;
  if (is_ours) report_overflow(*slot, address, stack_pointer_of(machine), machine);
  os::pass_fault_on(signal, about, machine);
}

}  // namespace

void install_overflow_handler() {
  static constinit bool is_installed = false;
  if (std::exchange(is_installed, true)) return;
  backtrace::find_symbolizer();  // now, because a handler must not search for it
  os::install_fault_handler(&on_fault);
}

// Reports need it, fibers do not: a refusal is no error.
void add_overflow_stack() noexcept { alternate = os::add_signal_stack(report_bytes); }
void remove_overflow_stack() noexcept { os::remove_signal_stack(std::exchange(alternate, nullptr), report_bytes); }

}  // namespace ramie::inline v0::control
