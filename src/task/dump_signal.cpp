#include "task/dump_signal.hpp"

#include "backtrace/collect.hpp"
#include "backtrace/report.hpp"
#include "backtrace/symbolizer.hpp"
#include "os/futex.hpp"
#include "os/signal_safe.hpp"
#include "task/dump.hpp"

#include <pthread.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <string>
#include <system_error>

namespace ramie::inline v0::tasking {
namespace {

constexpr int standard_error = 2;

// Who wants a signal: read by handlers, so a plain array.
std::array<std::atomic<dump_on_signal*>, 64> wanting;
// Threads that are inside the handler: nobody who wants one may go meanwhile.
std::atomic<std::uint32_t> inside = 0;

// What a signal did before, while somebody wants it.
struct taken_signal {
  int users = 0;
  struct sigaction before {};
};
struct registry {
  std::mutex lock;
  std::array<taken_signal, NSIG> taken;
};
constinit registry signals;

void lock_signals() noexcept { signals.lock.lock(); }
void unlock_signals() noexcept { signals.lock.unlock(); }
// In a forked child nobody else is in a handler.
void forget_threads() noexcept {
  inside.store(0);
  unlock_signals();
}
[[gnu::constructor(101)]] void see_to_forks() { pthread_atfork(&lock_signals, &unlock_signals, &forget_threads); }

void take_once(int signal, os::signal_handler handler) {
  std::lock_guard held(signals.lock);
  const bool is_one = signal > 0 && signal < NSIG;
  if (!is_one || signals.taken[static_cast<std::size_t>(signal)].users == 0) {
    struct sigaction before {};
    if (const int error = is_one ? os::take_signal(signal, handler, before) : EINVAL; error != 0) {
      throw std::system_error(error, std::generic_category(),
                              "runtime_options::dump_signal: signal " + std::to_string(signal) + " cannot be caught");
    }
    signals.taken[static_cast<std::size_t>(signal)].before = before;
  }
  ++signals.taken[static_cast<std::size_t>(signal)].users;
}

void give_back_once(int signal) noexcept {
  std::lock_guard held(signals.lock);
  taken_signal& one = signals.taken[static_cast<std::size_t>(signal)];
  if (--one.users == 0) os::give_signal_back(signal, one.before);
}

std::uintptr_t stack_pointer_of(const ucontext_t& context) noexcept {
#if defined(__x86_64__)
  return static_cast<std::uintptr_t>(context.uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__)
  return context.uc_mcontext.sp;
#else
  return 0;
#endif
}

// In the handler, on the task's thread: its frames where the stack pointer lies in the stack of the fiber that runs;
// in the middle of a switch it does not.
void report_running(const record& task, int signal, const ucontext_t& context) noexcept {
  backtrace::report report;
  fixed_text& text = report.text();
  text.add("ramie: signal ").add_decimal(static_cast<std::uint64_t>(signal)).add(" while task '");
  text.add_shortened(task.name.text(), 100).add("' is running");
  const control::control_block* fiber = context::this_thread_words()->current;
  const std::uintptr_t sp = stack_pointer_of(context);
  if (fiber->stack_high != 0 && fiber->stack_low <= sp && sp < fiber->stack_high) {
    text.add(":\n");
    report.add_frames(backtrace::collect_interrupted(context, {fiber->stack_low, fiber->stack_high}),
                      backtrace::names::by_program);
  } else {
    text.add("\n");
  }
  static_cast<void>(report.send(standard_error));
}

}  // namespace

dump_on_signal::dump_on_signal(int signal, sched::scheduler& of, const parking::cancel_scope& root)
    : signal_(signal), process_(os::process_number()), thread_(os::thread_number()), of_(of), root_(root) {
  request_.to = this;
  request_.open = [](parking::letter& sent) noexcept { static_cast<request&>(sent).to->write(); };
  backtrace::find_symbolizer();
  take_once(signal, [](int number, siginfo_t* about, void* machine) { handle(number, about, machine); });
  for (auto& place : wanting) {
    dump_on_signal* nobody = nullptr;
    if (place.compare_exchange_strong(nobody, this)) return;
  }
  give_back_once(signal);
  throw std::system_error(std::make_error_code(std::errc::not_enough_memory),
                          "runtime_options::dump_signal: 64 runtimes want a signal already");
}

dump_on_signal::~dump_on_signal() {
  for (auto& place : wanting) {
    dump_on_signal* me = this;
    if (place.compare_exchange_strong(me, nullptr)) break;
  }
  while (inside.load() != 0) os::yield_processor();
  give_back_once(signal_);
  if (is_asked_.load()) of_.letters.open_all();  // it lies in the box and is about to go
}

void dump_on_signal::handle(int signal, siginfo_t* about, void* machine) noexcept {
  const int saved = errno;
  inside.fetch_add(1);
  const int process = os::process_number(), thread = os::thread_number();
  // What a thread of ours sent here is for this thread alone.
  const bool is_sent_on = about->si_code == SI_TKILL && about->si_pid == process;
  for (auto& place : wanting) {
    dump_on_signal* one = place.load();
    if (one == nullptr || one->signal_ != signal) continue;
    // A forked child has one thread, whose number is not the one that was noted.
    if (one->thread_ == thread || one->process_ != process) {
      one->take(machine);
    } else if (!is_sent_on) {
      os::send_to_thread(one->thread_, signal);
    }
  }
  inside.fetch_sub(1);
  errno = saved;
}

void dump_on_signal::take(const void* machine) noexcept {
  if (parking::this_host() == &of_) {
    const parking::parked* running = *const_cast<parking::parked* const volatile*>(&of_.running);
    if (running != nullptr) {
      report_running(static_cast<const record&>(*running), signal_, *static_cast<const ucontext_t*>(machine));
    }
  }
  if (!is_asked_.exchange(true)) of_.post(request_);
}

void dump_on_signal::write() noexcept {
  is_asked_.store(false);
  try {
    const std::string text = "ramie: all tasks, asked for by signal " + std::to_string(signal_) + ":\n" +
                             describe_tasks(root_, {}) + "ramie: end of the tasks\n";
    os::write_all(standard_error, text);
  } catch (...) {
    constexpr std::string_view excuse = "ramie: no memory to write what the tasks do\n";
    os::write_all(standard_error, excuse);
  }
}

}  // namespace ramie::inline v0::tasking
