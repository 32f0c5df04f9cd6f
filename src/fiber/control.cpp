// Where resume, suspend and transfer go when something is not as usual: a first start, exceptions in flight, a message,
// a mistake. The rules of who may go where are Ruby's; each refusal leaves everything as it was.
#include "base/check.hpp"
#include "context/start.hpp"
#include "fiber/idle_frames.hpp"
#include "fiber/life.hpp"
#include "fiber/stack_watch.hpp"

#include <pthread.h>

#include <stdexcept>
#include <string>

namespace ramie {

const char* name_of(fiber_state state) noexcept {
  switch (state) {
    case fiber_state::created:
      return "created";
    case fiber_state::running:
      return "running";
    case fiber_state::resuming:
      return "resuming";
    case fiber_state::suspended:
      return "suspended";
    case fiber_state::transferred:
      return "transferred";
    case fiber_state::terminated:
      return "terminated";
    case fiber_state::left_behind:
      return "left behind";
  }
  return "?";
}

}  // namespace ramie

namespace ramie::inline v0::control {
control_block nobody = {context::unused, nullptr, 0, 0, 0, 0, 0, 0, nullptr};
}

namespace ramie::inline v0::control {
namespace {

using context::exception_words;

[[noreturn]] void refuse(fiber_errc code, const char* tried, const control_block* fiber, const char* why) {
  throw fiber_error(code, std::string("cannot ") + tried + " " + fiber_title(fiber).text + ": " + why);
}

// What is wrong with a fiber before its state matters.
void check_reachable(const char* tried, const thread_words& thread, const control_block* fiber) {
  if (fiber == &nobody) {
    throw fiber_error(fiber_errc::no_fiber, std::string("cannot ") + tried + ": the handle is empty");
  }
  if (fiber->word == context::ended || fiber->word == context::unused) {
    refuse(fiber_errc::terminated, tried, fiber, "it has ended");
  }
  if (fiber->word == context::lost) {
    throw fiber_error(fiber_errc::left_behind,
                      std::string("cannot ") + tried + " this fiber: it was left behind in the process that forked");
  }
  if (fiber->home != nullptr && fiber->home != &thread) {
    refuse(fiber_errc::other_thread, tried, fiber, "it was started on another thread, and fibers do not move");
  }
}

std::uintptr_t sp_of(std::uintptr_t word) noexcept { return word & ~std::uintptr_t{context::tag_mask}; }
std::uintptr_t tag_of(std::uintptr_t word) noexcept { return word & context::tag_mask; }
bool is_parked(std::uintptr_t word) noexcept { return (word & 1) == 0 && word != context::lost; }
bool is_transferred(std::uintptr_t word) noexcept { return is_parked(word) && (word & context::tag_transferred) != 0; }

// Its exceptions in flight go with the fiber that leaves; the thread's words are then free for the next.
void pack_exceptions(thread_words& thread, control_block* fiber) noexcept {
  cold(fiber).caught = thread.exceptions->caught;
  cold(fiber).uncaught = thread.exceptions->uncaught;
  *thread.exceptions = exception_words{nullptr, 0};
}

void unpack_exceptions(thread_words& thread, control_block* fiber) noexcept {
  *thread.exceptions =
      exception_words{std::exchange(cold(fiber).caught, nullptr), std::exchange(cold(fiber).uncaught, 0U)};
}

control_block* resumer_of(const control_block* fiber) noexcept {
  const std::uintptr_t held = cold(fiber).held_resumer_sp;
  const std::uintptr_t sp = held != 0 ? held : fiber->resumer_sp;
  return sp == 0 ? nullptr : context::resumer_at(sp);
}

// The fiber in the chain of resumes above `from` that `ancestor` resumed; null when `ancestor` is not in the chain.
control_block* child_towards(control_block* from, const control_block* ancestor) noexcept {
  for (control_block* fiber = from; fiber != nullptr;) {
    control_block* above = resumer_of(fiber);
    if (above == ancestor) return fiber;
    fiber = above;
  }
  return nullptr;
}

// From now on the fiber's next suspend() takes the slow path, which looks into the cold block.
void make_suspend_slow(control_block* fiber) noexcept {
  if (fiber->resumer_sp == 0) return;
  cold(fiber).held_resumer_sp = fiber->resumer_sp;
  fiber->resumer_sp = 0;
}

// What has been waiting for the running fiber is delivered, unless it is in the middle of unwinding: then at its next
// suspend().
void deliver_waiting(thread_words& thread) {
  control_block* self = thread.current;
  cold_block& about = cold(self);
  if (about.waiting == pending::nothing) return;
  if (thread.exceptions->uncaught != 0) return make_suspend_slow(self);
  switch (std::exchange(about.waiting, pending::nothing)) {
    case pending::error:
      std::rethrow_exception(std::exchange(about.error, nullptr));
    case pending::kill:
      unwind_self(thread);
    case pending::thread_exit:
      pthread_exit(nullptr);
    case pending::nothing:
      break;
  }
}

// Control is back in the resumer of `fiber`, with a message.
bool arrived(thread_words& thread, control_block* fiber, std::uintptr_t message) {
  if (message == context::finished || message == context::thread_exit) {
    std::exception_ptr escaped = std::exchange(cold(fiber).error, nullptr);
    reap(thread, fiber);
    if (message == context::thread_exit) pthread_exit(nullptr);
    deliver_waiting(thread);
    if (escaped != nullptr) std::rethrow_exception(std::move(escaped));
    return false;
  }
  if (message == context::attend) deliver_waiting(thread);
  return true;
}

// Continues `fiber` at `sp` in place of the running one; returns when somebody transfers back.
void transfer_with(thread_words& thread, control_block* fiber, std::uintptr_t sp, std::uintptr_t message) {
  note_run(thread, fiber);
  control_block* self = thread.current;
  if (thread.left == nullptr) {
    thread.left = self;
  } else if (thread.left == fiber) {
    thread.left = nullptr;
  }
  std::uintptr_t tag = context::tag_transferred;
  if (exceptions_in_flight(&thread)) {
    pack_exceptions(thread, self);
    tag |= context::tag_baggage;
  }
  if ((tag_of(fiber->word) & context::tag_baggage) != 0) unpack_exceptions(thread, fiber);
  self->errno_value = *thread.errno_pointer;
  *thread.errno_pointer = fiber->errno_value;
  fiber->word = context::running;
  thread.current = fiber;
  context::crossing crossing;
  crossing.depart(fiber);
  const std::uintptr_t arrived_with = context::switch_across(sp, message, self, tag);
  crossing.arrive();
  if (arrived_with != context::plain) deliver_slow();
}

// A fiber that is resuming another one, itself not in the chain of the running fiber: the innermost one that it waits
// for, when that one is where control left the root's chain.
control_block* innermost_of(thread_words& thread, const control_block* fiber) noexcept {
  control_block* left = thread.left;
  return left != nullptr && child_towards(left, fiber) != nullptr ? left : nullptr;
}

}  // namespace

bool resume_with(thread_words& thread, control_block* fiber, std::uintptr_t sp, std::uintptr_t message) {
  note_run(thread, fiber);
  const exception_words mine = *thread.exceptions;
  const std::uintptr_t word = fiber->word;
  if (is_parked(word) && (word & context::tag_baggage) != 0) {
    unpack_exceptions(thread, fiber);
  } else {
    *thread.exceptions = exception_words{nullptr, 0};
  }
  const int caller_errno = *thread.errno_pointer;
  *thread.errno_pointer = fiber->errno_value;
  control_block* self = thread.current;
  fiber->word = context::running;
  cold(fiber).held_resumer_sp = 0;
  thread.current = fiber;
  context::crossing crossing;
  crossing.depart(fiber);
  const context::arrival arrival = context::switch_and_wait(fiber, sp, message, self);
  crossing.arrive();
  RAMIE_CHECK(arrival.who == fiber);
  thread.current = self;
  fiber->word = arrival.sp;
  fiber->errno_value = *thread.errno_pointer;
  *thread.errno_pointer = caller_errno;
  if (exceptions_in_flight(&thread) && fiber->word != context::ended) {
    pack_exceptions(thread, fiber);
    fiber->word |= context::tag_baggage;
  }
  *thread.exceptions = mine;
  return arrived(thread, fiber, arrival.message);
}

bool resume_slow(control_block* fiber) {
  thread_words& thread = this_thread();
  if (has_mail(&thread)) [[unlikely]]
    read_mail();
  if (fiber->word == context::created) [[likely]] {
    return resume_with(thread, fiber, start(thread, fiber), context::plain);
  }
  check_reachable("resume", thread, fiber);
  const std::uintptr_t word = fiber->word;
  if (word == context::running) {
    if (fiber == thread.current) refuse(fiber_errc::resumes_itself, "resume", fiber, "it is the one that runs");
    if (has_resumer(fiber)) {
      refuse(fiber_errc::already_resumed, "resume", fiber, "it is resumed already and has not suspended since");
    }
    refuse(fiber_errc::resuming_another, "resume", fiber, "it waits for a fiber that it has resumed itself");
  }
  if (is_transferred(word)) {
    if (has_resumer(fiber)) {
      refuse(fiber_errc::already_resumed, "resume", fiber, "it is resumed already and has transferred away");
    }
    refuse(fiber_errc::transferred_away, "resume", fiber, "it left by transfer; bring it back by transfer");
  }
  const bool waiting = cold(fiber).waiting != pending::nothing;
  return resume_with(thread, fiber, sp_of(word), waiting ? context::deliver : context::plain);
}

bool after_resume_slow(control_block* fiber, std::uintptr_t message) {
  thread_words& thread = *context::this_thread_words();
  if (exceptions_in_flight(&thread)) {
    // The fiber suspended inside a catch block or while unwinding; the caller had none when it resumed.
    if (fiber->word != context::ended) {
      pack_exceptions(thread, fiber);
      fiber->word |= context::tag_baggage;
    } else {
      *thread.exceptions = exception_words{nullptr, 0};
    }
  }
  return arrived(thread, fiber, message);
}

void check_resumer() {
  const control_block* self = this_thread().current;
  if (cold(self).held_resumer_sp != 0) return;
  if ((self->flags & is_root) != 0) {
    refuse(fiber_errc::no_resumer, "suspend", self, "it is a thread's own stack, nobody resumed it");
  }
  if ((self->flags & is_base) != 0) {
    refuse(fiber_errc::base_of_task, "suspend", self, "it is a task's own fiber; this_task::yield() lets others run");
  }
  refuse(fiber_errc::no_resumer, "suspend", self, "it was entered by transfer; leave it by transfer");
}

void suspend_slow() {
  check_resumer();
  thread_words& thread = this_thread();
  control_block* self = thread.current;
  cold_block& about = cold(self);
  const std::uintptr_t sp = std::exchange(about.held_resumer_sp, 0);
  self->resumer_sp = sp;
  deliver_waiting(thread);
  const bool resumer_is_awaited = cold(context::resumer_at(sp)).waiting != pending::nothing;
  context::crossing crossing;
  crossing.depart(context::resumer_at(sp));
  context::switch_back(sp, resumer_is_awaited ? context::attend : context::plain, self);
  crossing.arrive();
  deliver_slow();
}

void deliver_slow() {
  thread_words& thread = *context::this_thread_words();
  if (control_block* over = std::exchange(thread.reap, nullptr); over != nullptr) reap(thread, over);
  learn_frame(reinterpret_cast<std::uintptr_t>(__builtin_return_address(0)),
              reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
  deliver_waiting(thread);
}

void transfer_slow(control_block* fiber) {
  thread_words& thread = this_thread();
  if (has_mail(&thread)) read_mail();
  if (fiber == thread.current) return;
  check_reachable("transfer to", thread, fiber);
  const std::uintptr_t word = fiber->word;
  if (word == context::created) {
    return transfer_with(thread, fiber, start(thread, fiber), context::plain);
  }
  if (word == context::running) {
    refuse(fiber_errc::resuming_another, "transfer to", fiber, "it waits for a fiber that it has resumed");
  }
  if (!is_transferred(word)) {
    refuse(fiber_errc::awaits_resume, "transfer to", fiber, "it left by suspend; bring it back by resume");
  }
  const bool waiting = cold(fiber).waiting != pending::nothing;
  transfer_with(thread, fiber, sp_of(word), waiting ? context::deliver : context::plain);
}

bool raise(control_block* fiber, std::exception_ptr error) {
  thread_words& thread = this_thread();
  if (error == nullptr) throw std::invalid_argument("fiber::raise needs an exception");
  check_reachable("raise in", thread, fiber);
  if (fiber->word == context::created) {
    refuse(fiber_errc::not_started, "raise in", fiber, "it has not started; kill() ends it");
  }
  if (fiber->word == context::running) {
    // It runs, or waits for the one that runs: then that is where the exception goes.
    if (fiber == thread.current || child_towards(thread.current, fiber) != nullptr) {
      std::rethrow_exception(std::move(error));
    }
    control_block* innermost = innermost_of(thread, fiber);
    if (innermost == nullptr) {
      refuse(fiber_errc::resuming_another, "raise in", fiber, "it waits for a fiber that it has resumed");
    }
    fiber = innermost;
  }
  cold(fiber).waiting = pending::error;
  cold(fiber).error = std::move(error);
  const std::uintptr_t word = fiber->word;
  if (!is_transferred(word)) return resume_with(thread, fiber, sp_of(word), context::deliver);
  const fiber_ref same(fiber);
  transfer_with(thread, fiber, sp_of(word), context::deliver);
  return !same.done();
}

bool kill(control_block* fiber) {
  thread_words& thread = this_thread();
  if (fiber != &nobody && (fiber->word == context::ended || (fiber->flags & being_killed) != 0)) return false;
  check_reachable("kill", thread, fiber);
  if (fiber->word == context::created) {
    cold_block& about = cold(fiber);
    fiber->word = context::ended;
    if (!about.operations->runs_again && std::exchange(about.has_function, false)) {
      about.operations->destroy(about.closure);
    }
    return true;
  }
  if (fiber == thread.current) unwind_self(thread);
  cold_block& about = cold(fiber);
  if (fiber->word == context::running) {
    control_block* child = child_towards(thread.current, fiber);
    if (child == nullptr) {
      refuse(fiber_errc::resuming_another, "kill", fiber, "it waits for a fiber that it has resumed");
    }
    // An ancestor: it is unwound when control comes back to it.
    about.waiting = pending::kill;
    make_suspend_slow(child);
    return true;
  }
  about.waiting = pending::kill;
  about.error = nullptr;
  const std::uintptr_t word = fiber->word;
  if (is_transferred(word)) {
    transfer_with(thread, fiber, sp_of(word), context::deliver);
  } else {
    resume_with(thread, fiber, sp_of(word), context::deliver);
  }
  return true;
}

bool will_end_by_itself(const control_block* fiber) noexcept {
  cold_block& about = cold(fiber);
  return about.operations->ends_by_itself != nullptr && fiber->flags == 0 && about.waiting == pending::nothing &&
         is_parked(fiber->word) && tag_of(fiber->word) == context::tag_suspended &&
         about.operations->ends_by_itself(about.closure);
}

void continue_unwinding(control_block* fiber) {
  thread_words& thread = this_thread();
  cold_block& about = cold(fiber);
  const std::uintptr_t word = fiber->word;
  if (will_end_by_itself(fiber)) {
    resume_with(thread, fiber, sp_of(word), context::plain);
    return;
  }
  if ((fiber->flags & being_killed) == 0) {
    about.waiting = pending::kill;
    about.error = nullptr;
  }
  prepare_to_learn(word);
  if (is_transferred(word) && has_resumer(fiber)) {
    // Its resumer waits for it: only at a thread's end, where that one is unwound next.
    transfer_with(thread, fiber, sp_of(word), context::deliver);
  } else {
    resume_with(thread, fiber, sp_of(word), context::deliver);
  }
}

void end_self(control_block* self, std::exception_ptr escaped, pending how) noexcept {
  thread_words& thread = *context::this_thread_words();
  cold_block& about = cold(self);
  std::uintptr_t sp = self->resumer_sp != 0 ? self->resumer_sp : about.held_resumer_sp;
  if (sp != 0) {
    about.error = std::move(escaped);
    const std::uintptr_t message = how == pending::thread_exit ? context::thread_exit : context::finished;
    context::crossing::depart_for_good(context::resumer_at(sp));
    context::leave_for_good(sp, message, self, context::ended);
  }
  // Entered by transfer: control goes to where it left the root's chain of resumes.
  control_block* next = std::exchange(thread.left, nullptr);
  RAMIE_CHECK(next != nullptr && is_transferred(next->word));
  note_run(thread, next);
  cold_block& receiver = cold(next);
  if (how == pending::thread_exit) {
    receiver.waiting = pending::thread_exit;
  } else if (escaped != nullptr && receiver.waiting == pending::nothing) {
    receiver.waiting = pending::error;
    receiver.error = std::move(escaped);
  }
  *thread.exceptions = exception_words{nullptr, 0};
  if ((tag_of(next->word) & context::tag_baggage) != 0) unpack_exceptions(thread, next);
  *thread.errno_pointer = next->errno_value;
  sp = sp_of(next->word);
  next->word = context::running;
  self->word = context::ended;
  thread.current = next;
  thread.reap = self;
  context::crossing::depart_for_good(next);
  context::leave_for_good(sp, context::deliver, self, 0);
}

fiber_state state_of(const control_block* fiber) noexcept {
  const std::uintptr_t word = fiber->word;
  switch (word) {
    case context::lost:
      return fiber_state::left_behind;
    case context::created:
      return fiber_state::created;
    case context::ended:
    case context::unused:
      return fiber_state::terminated;
    case context::running:
      return fiber == context::this_thread_words()->current ? fiber_state::running : fiber_state::resuming;
    default:
      return is_transferred(word) ? fiber_state::transferred : fiber_state::suspended;
  }
}

const char* name_of(const control_block* fiber) noexcept { return fiber == &nobody ? "" : cold(fiber).name; }

call_site site_of(const control_block* fiber) noexcept {
  if (fiber == &nobody) return {};
  return {cold(fiber).file, cold(fiber).line};
}

control_block* self_block() { return this_thread().current; }

void stale_reference(std::uint64_t id) {
  if (id == 0) throw fiber_error(fiber_errc::no_fiber, "the fiber reference is empty");
  throw fiber_error(fiber_errc::terminated, "fiber #" + std::to_string(id) + " is gone: it ended and its handle died");
}

}  // namespace ramie::inline v0::control
