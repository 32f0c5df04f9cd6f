#include "fiber/overflow.hpp"

#include "backtrace/symbolizer.hpp"
#include "fiber/life.hpp"
#include "os/memory.hpp"
#include "stack/pool.hpp"
#include "stack/size_class.hpp"

#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <mutex>

namespace ramie::inline v0::control {
namespace {

struct sigaction former_segv, former_bus;

// What the handler itself needs, above what the kernel's frame takes (3.4 KiB with AVX-512, 11 with AMX).
constexpr std::size_t report_bytes = std::size_t{64} << 10;

std::size_t alternate_bytes() noexcept {
  const std::size_t page = os::page_bytes();
  return (std::max<std::size_t>(getauxval(AT_MINSIGSTKSZ), MINSIGSTKSZ) + report_bytes + page - 1) / page * page;
}

constinit thread_local void* alternate = nullptr;

std::uintptr_t stack_pointer_of(const void* machine) noexcept {
#if defined(__x86_64__)
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(machine)->uc_mcontext.gregs[REG_RSP]);
#else
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(machine)->uc_mcontext.sp);
#endif
}

void pass_on(int signal, siginfo_t* about, void* machine) noexcept {
  const struct sigaction& former = signal == SIGBUS ? former_bus : former_segv;
  if ((former.sa_flags & SA_SIGINFO) != 0 && former.sa_sigaction != nullptr) {
    former.sa_sigaction(signal, about, machine);
  } else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN && former.sa_handler != nullptr) {
    former.sa_handler(signal);
  } else {
    // The default action, at the same instruction: returning faults again, now for good. What somebody sent
    // (kill, raise) would not come again by itself.
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    sigaction(signal, &standard, nullptr);
    if (about->si_code <= 0) ::raise(signal);
  }
}

void on_fault(int signal, siginfo_t* about, void* machine) {
  const auto address = reinterpret_cast<std::uintptr_t>(about->si_addr);
  const stack::slot* slot = stack::slot_at(address);
  // A fault in the guard, of a stack in use. A fault inside a stack's usable part is none of our business.
  if (slot == nullptr || slot->owner == nullptr || address >= slot->low) return pass_on(signal, about, machine);
  report_overflow(*slot, address, stack_pointer_of(machine), machine);
  pass_on(signal, about, machine);
}

}  // namespace

void install_overflow_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction mine {};
    mine.sa_sigaction = &on_fault;
    mine.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&mine.sa_mask);
    backtrace::find_symbolizer();  // now, because a handler must not search for it
    sigaction(SIGSEGV, &mine, &former_segv);
    sigaction(SIGBUS, &mine, &former_bus);
  });
}

void add_overflow_stack() noexcept {
  stack_t present{};
  if (sigaltstack(nullptr, &present) != 0) return;
  if ((present.ss_flags & SS_DISABLE) == 0 && present.ss_size >= alternate_bytes()) return;
  void* place = os::reserve(alternate_bytes());
  if (place == nullptr) return;  // reports need it, fibers do not
  if (os::open(place, alternate_bytes()) != 0) {
    os::give_back(place, alternate_bytes());
    return;
  }
  stack_t mine{};
  mine.ss_sp = place;
  mine.ss_size = alternate_bytes();
  if (sigaltstack(&mine, nullptr) != 0) {
    os::give_back(place, alternate_bytes());
    return;
  }
  alternate = place;
}

void remove_overflow_stack() noexcept {
  if (alternate == nullptr) return;
  stack_t present{};
  if (sigaltstack(nullptr, &present) == 0 && present.ss_sp == alternate) {
    stack_t off{};
    off.ss_flags = SS_DISABLE;
    sigaltstack(&off, nullptr);
  }
  os::give_back(std::exchange(alternate, nullptr), alternate_bytes());
}

}  // namespace ramie::inline v0::control
