// Cancelling: a request to a scope, delivered to the tasks inside it as an exception at their next wait.
//
// Status: experimental.
//
// Scopes nest: a with_scope or a time limit stands in a frame of its task; a task stands in the scope that it was
// spawned in. A request to a scope reaches everything inside. Each task inside is told once, by an exception that names
// the outermost scope that asked; a shield keeps requests from further out away. All of it on the scope's home thread.
//
// A block in a fiber or generator that is suspended is not around what its task does meanwhile: its requests wait until
// somebody resumes that fiber.
#pragma once

#include <ramie/context/control_block.hpp>
#include <ramie/park/wait_list.hpp>

#include <cstdint>
#include <exception>
#include <memory>

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {
namespace parking {

struct cancel_scope {
  cancel_scope* outer = nullptr;
  parked* owner = nullptr;        // the task in whose frames it stands; null: above all tasks
  parked* first_child = nullptr;  // tasks spawned in it that have not ended
  std::exception_ptr cause;       // of the request
  bool requested = false;
  bool shields = false;          // requests from further out do not pass
  std::uint32_t stop_place = 0;  // of its stop source in the thread's table, from 1; 0: nobody has asked for a token

  // Requests: from now on everything inside is told. The first cause stays.
  void cancel(std::exception_ptr why) noexcept;
};

// One that stands in a frame of its task. The last that was entered before is the task's own, which is none of these.
struct block_scope : cancel_scope {
  cancel_scope* entered_before = nullptr;            // by the same task, whichever of its fibers
  cancel_scope* told_before = nullptr;               // the task was on its way out to it when this was entered
  const context::control_block* in_fiber = nullptr;  // whose frame it stands in
  unsigned uncaught = 0;                             // exceptions that were on their way in that fiber

  // Becomes the innermost scope of the running task; throws std::logic_error where no task runs.
  void enter();
  // A request that it shielded from may be delivered after this.
  void leave() noexcept;
};

}  // namespace parking
}  // namespace v0

// What a cancelled task is told, thrown at a wait. No std::exception, so that `catch (const std::exception&)` around a
// loop's body does not keep it. Let it pass, or rethrow it: the scope it is meant for absorbs it. One that is kept
// (`catch (...) {}`) is reported on standard error, and thrown again at the next wait.
class cancelled {
 public:
  // Why: what was given to cancel(), or the failure of a sibling; null when nothing was given.
  [[nodiscard]] std::exception_ptr cause() const noexcept;

  // For the scopes: who is meant. Absorbing says that it has arrived.
  struct delivery;
  explicit cancelled(std::shared_ptr<delivery> told) noexcept : told_(std::move(told)) {}
  [[nodiscard]] bool is_for(const parking::cancel_scope& scope) const noexcept;
  void absorb() const noexcept;

 private:
  std::shared_ptr<delivery> told_;
};

}  // namespace ramie
#pragma GCC visibility pop
