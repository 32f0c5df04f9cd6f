#include "observe/sample.hpp"

#include "backtrace/collect.hpp"
#include "context/start.hpp"
#include "fiber/slab.hpp"
#include "os/clock.hpp"
#include "os/futex.hpp"
#include "os/other_thread.hpp"
#include "os/signal_safe.hpp"
#include "os/signals.hpp"
#include "task/record.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <system_error>

namespace ramie::inline v0::observe {
namespace {

constexpr std::int64_t patience_ns = 100'000'000;
// A stack is walked to this depth: 10,000 frames of a recursion take 0.4 ms.
constexpr std::uint64_t frames_most = 10'000;
// Of a stack that is copied: from its newest frame up.
constexpr std::size_t copied_most = 32 * 1024;

enum asking : std::uint32_t { nobody, asked, answering, answered };

// What the watch and the handler of the thread that it asks have in common.
struct question {
  std::atomic<std::uint32_t> state = nobody;
  std::atomic<int> thread = 0;
  std::uint64_t slice = 0;
  sample* into = nullptr;
};
constinit question the_question;
// What the signal did before. Written before the handler is there.
constinit struct sigaction before {};

std::uintptr_t stack_pointer_of(const ucontext_t& machine) noexcept {
#if defined(__x86_64__)
  return static_cast<std::uintptr_t>(machine.uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__)
  return machine.uc_mcontext.sp;
#else
  return 0;
#endif
}

// In the middle of a switch the stack pointer lies elsewhere.
bool stands_on(const backtrace::stack_bounds& stack, std::uintptr_t sp) noexcept {
  return stack.high != 0 && stack.low <= sp && sp < stack.high;
}
backtrace::stack_bounds bounds_of(const control::control_block& fiber) noexcept {
  return {fiber.stack_low, fiber.stack_high};
}

// Where its resumer waits; 0: nobody does, or it is a scheduler's loop.
std::uintptr_t resumer_of(const control::control_block* fiber) noexcept {
  const control::cold_block& about = control::cold(fiber);
  if ((fiber->flags & control::is_base) != 0) return 0;
  return about.held_resumer_sp != 0 ? about.held_resumer_sp : fiber->resumer_sp;
}

// On the thread itself, in its handler.
void look_at_myself(const ucontext_t& machine, sample& into) noexcept {
  const parking::host* here = parking::this_host();
  if (here == nullptr || here->slice_number() != the_question.slice) return;
  const parking::parked* running = *const_cast<parking::parked* const volatile*>(&here->running);
  if (running == nullptr) return;
  const auto& task = static_cast<const tasking::record&>(*running);
  into.is_of_a_task = true;
  into.task = task.name.text();
  into.spawned_at = task.site;
  into.could_run = here->ready.size() + here->urgent.size();
  const control::control_block* fiber = context::this_thread_words()->current;
  if (!stands_on(bounds_of(*fiber), stack_pointer_of(machine))) {
    into.no_frames = "it was about to go to another stack";
    return;
  }
  into.stacks[into.fibers++] = backtrace::collect_interrupted(machine, bounds_of(*fiber), frames_most);
  while (into.fibers < sample::fibers_most) {
    const std::uintptr_t sp = resumer_of(fiber);
    if (sp == 0) break;
    fiber = context::resumer_at(sp);
    const context::parked_frame at = context::resumer_frame_at(sp);
    into.stacks[into.fibers++] = backtrace::collect_parked({at.pc, at.sp, at.fp}, bounds_of(*fiber), frames_most);
  }
}

// Words of another thread, which may be writing them: what comes out is checked before it is used.
template <class T>
__attribute__((no_sanitize("thread"))) T peek(const T& word) noexcept {
  return __atomic_load_n(&word, __ATOMIC_RELAXED);
}

void copy_stack(const sched::sight& now, const os::kernel_stay& stay, sample& into) noexcept {
  static constinit std::array<std::byte, copied_most> copy{};  // one sample at a time
  into.system_call = stay.call;
  const control::control_block& fiber = *peek(now.words->current);  // blocks stay mapped
  const backtrace::stack_bounds stack = {peek(fiber.stack_low), peek(fiber.stack_high)};
  if (!stands_on(stack, stay.sp)) {
    into.no_frames = "its stack pointer was not on its stack";
    return;
  }
  const std::size_t bytes = std::min<std::size_t>(copied_most, stack.high - stay.sp);
  if (!os::copy_if_there(copy.data(), reinterpret_cast<const void*>(stay.sp), bytes)) {
    into.no_frames = "process_vm_readv(2) was refused";
    return;
  }
  const std::uintptr_t to_copy = reinterpret_cast<std::uintptr_t>(copy.data()) - stay.sp;
  into.stacks[into.fibers++] =
      backtrace::collect_parked({stay.pc, stay.sp, 0}, {stay.sp, stay.sp + bytes, to_copy}, frames_most);
}

struct look_from_here {
  const sched::sight& seen;
  const os::kernel_stay* stay;  // null: its name only
  sample& into;
};

// While no scheduler can come or go.
void look_at_one(const sched::sight& now, void* argument) noexcept {
  const auto& [seen, stay, into] = *static_cast<look_from_here*>(argument);
  if (now.which != seen.which || now.slice != seen.slice || !now.busy) return;
  const parking::parked* running = peek(now.which->running);
  if (running == nullptr) return;
  // The task may end while this looks.
  const auto& task = static_cast<const tasking::record&>(*running);
  label name;
  call_site site;
  const bool is_copied =
      os::copy_if_there(&name, &task.name, sizeof name) && os::copy_if_there(&site, &task.site, sizeof site);
  if (now.which->slice_number() != seen.slice) return;
  into.is_of_a_task = true;
  into.could_run = now.which->ready.size() + now.which->urgent.size();
  if (!is_copied) {
    into.system_call = stay != nullptr ? stay->call : -1;
    into.no_frames = "process_vm_readv(2) was refused, so its name is not known either";
    return;
  }
  into.task = name.text();
  into.spawned_at = site;
  if (stay != nullptr) copy_stack(now, *stay, into);
}

// The program's own handler, where there was one.
void pass_on(int signal, siginfo_t* about, void* machine) noexcept {
  if ((before.sa_flags & SA_SIGINFO) != 0) {
    if (before.sa_sigaction != nullptr) before.sa_sigaction(signal, about, machine);
  } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(signal);
  }
}

}  // namespace

sampler::sampler(int signal) : signal_(signal) {
  if (const int error = os::take_signal(signal, &sampler::answer, before); error != 0) {
    throw std::system_error(error, std::generic_category(),
                            "stall_options::signal: signal " + std::to_string(signal) + " cannot be caught");
  }
}

sampler::~sampler() { os::give_signal_back(signal_, before); }

void sampler::forget_threads() noexcept {
  the_question.state.store(nobody, std::memory_order_relaxed);
  os::give_signal_back(signal_, before);
}

void sampler::answer(int signal, siginfo_t* about, void* machine) noexcept {
  const int saved = errno;
  std::uint32_t expected = asked;
  if (about->si_code != SI_TKILL || the_question.thread.load(std::memory_order_relaxed) != os::thread_number() ||
      !the_question.state.compare_exchange_strong(expected, answering, std::memory_order_acquire)) {
    pass_on(signal, about, machine);
  } else {
    look_at_myself(*static_cast<const ucontext_t*>(machine), *the_question.into);
    the_question.state.store(answered, std::memory_order_release);
    os::futex_wake_one(the_question.state);
  }
  errno = saved;
}

void sampler::take(const sched::sight& seen, sample& into) noexcept {
  if (const auto stay = os::where_in_kernel(seen.thread)) {
    look_from_here from = {seen, &*stay, into};
    return sched::each_scheduler(&look_at_one, &from);
  }
  the_question.slice = seen.slice;
  the_question.into = &into;
  the_question.thread.store(seen.thread, std::memory_order_relaxed);
  the_question.state.store(asked, std::memory_order_release);
  os::send_to_thread(seen.thread, signal_);
  const std::int64_t end = os::monotonic_now_ns() + patience_ns;
  for (;;) {
    const std::uint32_t state = the_question.state.load(std::memory_order_acquire);
    if (state == answered) break;
    if (os::monotonic_now_ns() < end || state == answering) {
      static_cast<void>(os::futex_wait_until(the_question.state, state, end));
      continue;
    }
    std::uint32_t expected = asked;
    if (!the_question.state.compare_exchange_strong(expected, nobody)) continue;
    look_from_here from = {seen, nullptr, into};
    sched::each_scheduler(&look_at_one, &from);
    into.no_frames = "its thread did not answer the signal: does it block it?";
    return;
  }
  the_question.state.store(nobody, std::memory_order_relaxed);
}

}  // namespace ramie::inline v0::observe
