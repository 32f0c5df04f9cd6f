// A signal that makes a scheduler write what its tasks do.
//
// The kernel gives a signal to any thread. Whichever has it sends it on to the threads of all schedulers that want it;
// there the handler posts a letter, which is what the scheduler's next look finds, and wakes it. When a task runs at
// that moment the handler itself names it and its frames, for that task may be why nothing else happens. The handler
// allocates nothing and takes no lock but the report's turn.
#pragma once

#include "os/signals.hpp"
#include "sched/scheduler.hpp"
#include "task/record.hpp"

#include <atomic>
#include <cstdint>

namespace ramie::inline v0::tasking {

class dump_on_signal {
 public:
  // On the scheduler's thread; `root` is the scope above all its tasks. Throws std::system_error: no such signal, or
  // more schedulers than there is room for (64).
  dump_on_signal(int signal, sched::scheduler& of, const parking::cancel_scope& root);
  ~dump_on_signal();  // before the scheduler goes
  dump_on_signal(const dump_on_signal&) = delete;
  dump_on_signal& operator=(const dump_on_signal&) = delete;

 private:
  struct request : parking::letter {
    dump_on_signal* to = nullptr;
  };
  static void handle(int signal, siginfo_t* about, void* machine) noexcept;
  void take(const void* machine) noexcept;
  void write() noexcept;

  const int signal_;
  const int process_, thread_;
  sched::scheduler& of_;
  const parking::cancel_scope& root_;
  request request_;
  std::atomic<bool> is_asked_ = false;  // the letter is on its way
};

}  // namespace ramie::inline v0::tasking
