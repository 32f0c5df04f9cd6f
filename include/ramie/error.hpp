// The errors of the fiber floor: what a caller did wrong (fiber_error), and what the machine refused (stack_error).
//
// Status: stable.
//
// A fiber_error means that nothing has changed: every fiber involved can still be used. A stack_error means that the
// system would not give a guarded stack: the process and its other fibers are unharmed, and the next creation
// succeeds once the limit named here is raised or a stack is given back.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>

#pragma GCC visibility push(default)
namespace ramie {

// Why an operation on a fiber was refused; one code per reason.
enum class fiber_errc {
  terminated = 1,    // the fiber has ended, or the reference is to one that is gone
  resumes_itself,    // a fiber resumes itself
  already_resumed,   // somebody has resumed it and it has not suspended since
  resuming_another,  // it has resumed another fiber and waits for that one
  transferred_away,  // it left by transfer(): only transfer() brings it back
  not_started,       // it has no frame yet in which an exception could be raised
  other_thread,      // it was started on another thread and never changes threads
  no_resumer,        // suspend() where nobody resumed: a thread's first fiber, or one entered by transfer()
  base_of_task,      // suspend() in a task's own fiber: this_task::yield() is meant
  left_behind,       // it belongs to a process that this one was forked from
  awaits_resume,     // transfer() to a fiber that left by suspend(): only resume() brings it back
  no_fiber,          // an empty handle: default-made or moved from
  iteration_over,    // a coroutine was asked for a value after its end
  no_value           // a coroutine's step brought none: killed, suspended past its yield, resumed by its reference
};

[[nodiscard]] const std::error_category& fiber_category() noexcept;
[[nodiscard]] inline std::error_code make_error_code(fiber_errc code) noexcept {
  return {static_cast<int>(code), fiber_category()};
}

// A caller's mistake. what() says what was tried, on which fiber, and what to do instead.
class fiber_error : public std::logic_error {
 public:
  fiber_error(fiber_errc code, const std::string& text) : std::logic_error(text), code_(make_error_code(code)) {}
  [[nodiscard]] const std::error_code& code() const noexcept { return code_; }

 private:
  std::error_code code_;
};

// Which limit refused a stack. The kernel says ENOMEM for nearly all of them.
enum class stack_limit {
  mappings,       // vm.max_map_count: each mprotect guard takes two mappings
  address_space,  // RLIMIT_AS
  data_size,      // RLIMIT_DATA
  commit,         // vm.overcommit_memory=2: the sum of all promises
  memory_cgroup,  // memory.max of this or a parent cgroup
  kernel_memory,  // none of the above: the kernel itself had no memory for its tables
  size,           // the size asked for is outside of what is offered
  guard,          // no way of guarding a stack works here, or the one asked for does not
  guard_lost,     // a guard that was in force is not any more (its descriptor was closed)
  shadow_stack    // the processor checks this thread's returns (x86 SHSTK, aarch64 GCS): no switch would survive that
};

// The system refused a stack. code() is std::errc::not_enough_memory, invalid_argument for a size or an unknown
// guard, or not_supported for a thread with a shadow stack. what() is the whole story: limit, used, allowed, cure.
class stack_error : public std::system_error {
 public:
  stack_error(std::errc code, stack_limit limit, std::uint64_t used, std::uint64_t allowed, const std::string& text,
              const std::string& cure)
      : std::system_error(std::make_error_code(code), text + ". " + cure),
        limit_(limit),
        used_(used),
        allowed_(allowed),
        cure_(cure) {}

  [[nodiscard]] stack_limit limit() const noexcept { return limit_; }
  [[nodiscard]] std::uint64_t used() const noexcept { return used_; }        // in the unit of the limit
  [[nodiscard]] std::uint64_t allowed() const noexcept { return allowed_; }  // in the unit of the limit
  [[nodiscard]] const std::string& cure() const noexcept { return cure_; }   // what to type or to change

 private:
  stack_limit limit_;
  std::uint64_t used_, allowed_;
  std::string cure_;
};

}  // namespace ramie

#pragma GCC visibility pop

template <>
struct std::is_error_code_enum<ramie::fiber_errc> : std::true_type {};
