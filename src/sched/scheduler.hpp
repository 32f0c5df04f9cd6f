// The host of one thread: runs what is ready, in the order in which it became ready; sleeps until the next timer or
// letter when nothing is.
//
// It knows nothing of who owns a task or what a failure means. One thread makes it, runs it and destroys it; rouse()
// and post() may be called by others. Time is read when timers are looked at, every 64 slices and before sleeping,
// never at a switch.
#pragma once

#include "park/park.hpp"
#include "sched/block_cache.hpp"
#include "sched/poller.hpp"
#include "sched/wheel.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ramie::inline v0::sched {

using parking::parked;

enum class clock_kind : std::uint8_t {
  monotonic,
  fake  // stands still while anything is ready; when nothing is, goes to the next timer at once
};

// What a task wants of the fiber that runs it. The locals are handed over.
struct start_order {
  fiber_options options;
  call_site site;
  control::local_values* locals;
};

// What runs on a base fiber: tasks, one after the other. Room `task` supplies it.
struct task_functions {
  start_order (*order)(parked& task) noexcept;  // once
  bool (*takes_default_stack)(const parked& task) noexcept;
  void (*run)(parked& task);            // its function and its end; on the base, with host.running == &task
  void (*lost)(parked& task) noexcept;  // the base was unwound by force under it: the task is over
  // A stack was refused for it: the task ends with the exception that is in flight.
  void (*refused)(parked& task) noexcept;
};

class scheduler final : public parking::host {
 public:
  scheduler(clock_kind clock, const task_functions& functions, poller_factory pollers = {});
  ~scheduler();

  // Room for one more task in the line, to be made before there is the task. Throws std::bad_alloc.
  void make_room() {
    ready.reserve(tasks_ + 1);
    urgent.reserve(tasks_ + 1);
    ++tasks_;
  }
  // A task that has not started goes to the end of the line; it was made room for.
  void start_later(parked& task) noexcept { ready.push(&task); }
  // For one that has not started: a stack at once, not when it starts. Throws stack_error, and what was inherited for
  // it is gone then.
  void take_stack(parked& task);
  void task_ended() noexcept { --tasks_; }
  [[nodiscard]] std::size_t tasks() const noexcept { return tasks_; }
  block_cache memory;  // of tasks

  enum class ending : std::uint8_t {
    done,
    time_over,
    stuck  // nothing is ready, and nothing can ever make it so
  };
  // Runs until `done` is true, looked at between slices, or until `until_ns` on its clock.
  ending run_until(const bool& done, std::int64_t until_ns);
  // Before the first run_until(): milliseconds are counted, by a thread of ours, unless the clock is a fake one. Throws
  // std::system_error.
  void start_ticking();

  // For a thread that waits in a loop of somebody else's. Both: home thread, outside of run_until().
  // Readable when run_ready() would find something; -1: this poller has none. Makes the poller; throws what its factory
  // throws.
  int descriptor();
  // Looks around and runs at most as many slices as there are between two looks. In how many nanoseconds it is to be
  // called again though the descriptor is not readable; INT64_MAX: never, or more is ready, of
  // which the descriptor tells.
  std::int64_t run_ready();

  std::int64_t now_ns() noexcept override;
  void set(parking::timer& one, std::int64_t due_ns) noexcept override { timers_.set(one, due_ns); }
  void unset(parking::timer& one) noexcept override { timers_.unset(one); }
  bool give_stack(parked& task) noexcept override;
  void rouse() noexcept override;

  // Any thread: it runs tasks, and does not sleep.
  [[nodiscard]] bool is_busy() const noexcept { return busy_.load(std::memory_order_relaxed); }

  [[nodiscard]] const timer_wheel& timers() const noexcept { return timers_; }
  // Home thread. Made at the first call; throws what the factory throws.
  poller& the_poller();
  [[nodiscard]] poller* poller_if_made() const noexcept { return poller_.get(); }

 private:
  static void base_main(void* self);
  void run_tasks();
  static void take_up(parked& task, const start_order& order) noexcept;
  void run_slice();
  [[gnu::noinline]] bool take_base(parked& task);
  [[gnu::noinline]] void base_left(const control::departed& left);
  [[gnu::noinline]] void look_around();
  bool sleep_until_something(std::int64_t until_ns);
  bool hand_over();
  void become_busy(bool is_to_tick) noexcept;
  bool sleep(std::int64_t due_ns) noexcept;

  const task_functions functions_;
  const clock_kind clock_;
  const poller_factory pollers_;
  std::unique_ptr<poller> poller_;
  std::int64_t fake_now_ns_ = 0;
  timer_wheel timers_;
  std::size_t tasks_ = 0;
  std::vector<control::chain> idle_bases_;     // of the default size, between two tasks
  std::uint32_t ticks_of_clock_ = UINT32_MAX;  // when the clock was looked at
  bool thread_exits_ = false;
  bool slept_in_vain_ = false;
  bool is_hosted_ = false;          // somebody waits for descriptor()
  bool is_counted_ = false;         // by the ticker
  std::int64_t urgent_credit_ = 0;  // reductions that urgent tasks may use before one that is ready
  std::int64_t woke_ns_ = 0;
  alignas(64) std::atomic<std::uint32_t> awake_ = 1;  // futex: 0 while the thread sleeps or is about to
  std::atomic<poller*> rousable_ = nullptr;           // poller_, for other threads
  std::atomic<bool> busy_ = false;
};

// Any thread.
bool lives(const scheduler* one) noexcept;
// Any thread: posts a letter to a scheduler that may be gone already; false then.
bool post_if_it_lives(scheduler* to, parking::letter& one) noexcept;

}  // namespace ramie::inline v0::sched
