// Ending a fiber from the outside: its frames are unwound, newest first, by _Unwind_ForcedUnwind.
//
// An ordinary exception would be swallowed by iostreams and packaged_task, stored by futures, and would terminate in
// noexcept frames that merely pass it on; forced unwinding is what pthread_cancel uses and what those let through.
// Exceptions that the fiber has caught and not finished with are stashed first, or crossing their catch blocks would
// terminate, and released at the end.
#include "backtrace/collect.hpp"
#include "backtrace/report.hpp"
#include "context/stack_life.hpp"
#include "fiber/life.hpp"
#include "fiber/thread.hpp"

#include <cxxabi.h>
#include <pthread.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

namespace ramie::inline v0::control {

void fiber_main(void* argument, std::uintptr_t message);
[[noreturn]] void finish_killed(control_block* self) noexcept;

namespace {

struct forced_unwinding {
  _Unwind_Exception exception;  // first: the address of one is the address of the other
  control_block* self;
  void* stashed;
};

// "RAMIEKIL", as the C++ ABI wants vendor and language in eight bytes.
constexpr _Unwind_Exception_Class kill_class = 0x52414d49454b494cULL;

void swallowed(_Unwind_Reason_Code, _Unwind_Exception* exception) {
  auto* unwinding = reinterpret_cast<forced_unwinding*>(exception);
  std::fprintf(stderr,
               "ramie: a catch (...) in %s swallowed the unwinding of a killed fiber and did not rethrow.\n"
               "ramie: end such a handler with `throw;`, or catch the exceptions that are meant.\n",
               fiber_title(unwinding->self).text);
  std::abort();
}

// Where the forced unwinding of this thread's fiber is: the function whose frame it is about to leave. Not the place in
// it: clang's code terminates from a landing pad, g++'s from the call.
constinit thread_local std::uintptr_t function_to_leave = 0;
std::terminate_handler former_terminate = nullptr;

// Forced unwinding may not pass a noexcept function, and destructors are noexcept: the language ends the process there,
// "without an active exception". So the fiber is named, and where it was parked, before whoever was to terminate does.
[[noreturn]] void name_the_killed() {
  const control_block* self = context::this_thread_words()->current;
  if ((self->flags & being_killed) != 0 && function_to_leave != 0) {
    const backtrace::trace all = backtrace::collect_here({self->stack_low, self->stack_high});
    backtrace::trace frames;
    frames.end(all.ended());
    bool found = false;
    for (std::size_t i = 0; i < all.newest_count(); ++i) {
      found = found || all.newest(i).function == function_to_leave;
      if (found) frames.add(all.newest(i));
    }
    // Where the walk does not come by (clang's __clang_call_terminate has no tables), its name has to do.
    if (!found) frames.add({function_to_leave, function_to_leave, true});
    backtrace::report report;
    report.text()
        .add("ramie: std::terminate while ")
        .add(fiber_title(self).text)
        .add(" was killed: it was parked in\n");
    report.text().add("ramie: a noexcept function or a destructor, which no unwinding may leave:\n");
    report.add_frames(frames, backtrace::names::by_program);
    report.text().add("ramie: resume such a fiber until it is out of there, then kill it or drop its handle.\n");
    static_cast<void>(report.send(STDERR_FILENO));
    // clang's code has caught what is no exception of C++ by now; libstdc++'s handler would look for its type.
    context::this_thread_words()->exceptions->caught = nullptr;
  }
  if (former_terminate != nullptr) former_terminate();
  std::abort();
}

void name_the_killed_at_terminate() {
  static constinit std::atomic<bool> is_set = false;
  if (is_set.load(std::memory_order_acquire)) [[likely]]
    return;
  lock_threads();  // which a fork takes: done in the child, or not begun
  if (!is_set.load(std::memory_order_relaxed)) {
    former_terminate = std::set_terminate(&name_the_killed);
    is_set.store(true, std::memory_order_release);
  }
  unlock_threads();
}

[[noreturn]] void finish(forced_unwinding* unwinding) noexcept {
  control_block* self = unwinding->self;
  thread_words& thread = *context::this_thread_words();
  thread.exceptions->caught = unwinding->stashed;
  delete unwinding;
  function_to_leave = 0;
  while (thread.exceptions->caught != nullptr) abi::__cxa_end_catch();
  *thread.exceptions = context::exception_words{nullptr, 0};
  finish_killed(self);
}

_Unwind_Reason_Code step(int, _Unwind_Action actions, _Unwind_Exception_Class, _Unwind_Exception* exception,
                         _Unwind_Context* context, void*) {
  function_to_leave = _Unwind_GetRegionStart(context);
  const bool at_first_frame = reinterpret_cast<void*>(function_to_leave) == reinterpret_cast<void*>(&fiber_main);
  if ((actions & _UA_END_OF_STACK) != 0 || at_first_frame) finish(reinterpret_cast<forced_unwinding*>(exception));
  return _URC_NO_REASON;
}

}  // namespace

void unwind_self(thread_words& thread) {
  control_block* self = thread.current;
  if ((self->flags & is_root) != 0) pthread_exit(nullptr);
  name_the_killed_at_terminate();
  self->flags |= being_killed;
  cold(self).waiting = pending::nothing;
  auto* unwinding = new (std::nothrow) forced_unwinding{};
  if (unwinding == nullptr) std::abort();
  unwinding->exception.exception_class = kill_class;
  unwinding->exception.exception_cleanup = &swallowed;
  unwinding->self = self;
  unwinding->stashed = std::exchange(thread.exceptions->caught, nullptr);
  context::stack_unwinds();
  _Unwind_ForcedUnwind(&unwinding->exception, &step, nullptr);
  std::fprintf(stderr, "ramie: %s cannot be unwound: a frame has no unwind tables\n", fiber_title(self).text);
  std::abort();
}

}  // namespace ramie::inline v0::control
