// A task as its thread knows it. Lies before its function and result, in one piece of memory that lives until it has
// ended and the last handle is gone.
#pragma once

#include "sched/scheduler.hpp"

#include <ramie/task.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

namespace ramie::inline v0::tasking {

// Bits above the count of handles.
inline constexpr std::uint32_t own_reference = 1U << 30;     // it has not ended
inline constexpr std::uint32_t joined_from_afar = 1U << 31;  // a thread that is not its home waits for it

struct alignas(64) record : parking::parked {
  void* memory = nullptr;      // block_cache::block::from
  parking::cancel_scope self;  // the outermost scope of its own: what task::cancel() asks
  scope_state* parent = nullptr;
  sched::scheduler* home = nullptr;
  const operations* how = nullptr;
  control::local_values* locals = nullptr;  // for its fiber, until it starts
  label name;
  call_site site;
  std::uint32_t stack_bytes = 0;
  bool transient = false;
  bool has_payload = false;  // constructed
  std::atomic<task_state> state = task_state::ready;
  std::atomic<std::uint32_t> references = own_reference + 1;  // until it has ended, and the handle's
  parking::wait_list joiners;                                 // on the home thread
  std::atomic<parking::waiter*> joiners_afar = nullptr;       // on others, newest first; see join_from_afar()
  std::exception_ptr error;                                   // what escaped it, or the cause of its cancellation
  std::unique_ptr<std::string> annotation;
};
static_assert(sizeof(record) <= record_bytes);

// What the scheduler calls.
extern const sched::task_functions functions;

// The scheduler of the calling thread, or std::logic_error that says `what` needs one.
sched::scheduler& scheduler_here(const char* what);
inline record& record_of(parking::parked& task) noexcept { return static_cast<record&>(task); }

// A task for another thread: made on any thread, then discarded or, with its payload, sent there; locals are not
// inherited. On its home: queued there; failed when there is no memory for that.
record* create_afar(scope_state& parent, sched::scheduler& home, std::size_t payload_bytes, const operations* how,
                    const task_options& options, const call_site& site);
void discard_afar(record* one) noexcept;
void submit_afar(record* one) noexcept;
// Among its scope's children, and to the end of the line.
void queue(record* one) noexcept;
// It has a payload, was not queued, and never will be.
void give_up(record* one, task_state how, std::exception_ptr why) noexcept;

// The first failure of a scope cancels what is in it; others are told to the hook.
void fail(scope_state& scope, std::exception_ptr error, const char* name) noexcept;
void tell_unseen(const std::exception_ptr& error, const char* name) noexcept;

// A failure that nobody else will see. Set by the runtime of the thread.
using unseen_error_hook = void (*)(std::exception_ptr error, const char* task_name, void* argument);
void set_unseen_error_hook(unseen_error_hook hook, void* argument) noexcept;

// Visits the chain of every task of this thread that has started and is parked.
void each_chain(void (*visit)(control::chain& parked, void* argument), void* argument);

// The scope above all tasks of this thread, for dump_tasks().
void set_root_scope(const parking::cancel_scope* root) noexcept;

}  // namespace ramie::inline v0::tasking
