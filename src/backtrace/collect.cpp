#include "backtrace/collect.hpp"

#include "backtrace/stepper.hpp"
#include "os/signal_safe.hpp"

namespace ramie::backtrace {

namespace {

trace walk(stepper& at, std::uint64_t limit) noexcept {
  trace found;
  ending reason = ending::full;
  while (found.total() < limit) {
    found.add(at.current());
    if (at.step(reason)) continue;
    found.end(reason);
    break;
  }
  return found;
}

}  // namespace

trace collect_interrupted(const ucontext_t& context, stack_bounds bounds, std::uint64_t limit) noexcept {
  stepper at(state_of(context), bounds);
  return walk(at, limit);
}

trace collect_parked(const resume_point& point, stack_bounds bounds, std::uint64_t limit) noexcept {
  stepper at(point, bounds);
  return walk(at, limit);
}

// Its own frame is where the walk begins, since its caller may have no frame pointer; that one frame is left out.
[[gnu::noinline]] trace collect_here(stack_bounds bounds, std::uint64_t limit) noexcept {
  resume_point here;
#if defined(__x86_64__)
  asm volatile("movq %%rbp, %2; movq %%rsp, %1; leaq 0(%%rip), %0" : "=&r"(here.pc), "=&r"(here.sp), "=&r"(here.fp));
#elif defined(__aarch64__)
  asm volatile("mov %2, x29; mov %1, sp; adr %0, ." : "=&r"(here.pc), "=&r"(here.sp), "=&r"(here.fp));
#endif
  bounds.low = here.sp;
  stepper at(here, bounds);
  ending reason = ending::full;
  trace none;
  if (!at.step(reason)) return none.end(reason), none;
  return walk(at, limit);
}

stack_bounds stack_around(std::uintptr_t sp) noexcept {
  const os::address_range mapping = os::mapping_of(sp);
  return {sp, mapping.empty() ? sp : mapping.high};
}

}  // namespace ramie::backtrace
