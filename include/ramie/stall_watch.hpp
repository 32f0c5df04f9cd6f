// Tasks that hold their thread too long: which, for how long, and where in its code, told while it still does.
//
// Status: experimental.
//
//     int main() {
//       const ramie::stall_watch watch;                       // from 10 ms on, to standard error
//       return ramie::run([] { serve(); });
//     }
//
//     ramie: task 'parse', spawned at server.cpp:31, holds its thread 4711 for 12 ms; 137 others could run:
//         0  backtrack(char const*) pattern.cpp:88  (server+0x2f31)
//         1  match_line() server.cpp:60  (server+0x3a02)
//     ramie: task 'parse' let others run after 481 ms
//
// Watches all schedulers of the process, from a thread of its own that looks at one number of each: nothing is added to
// a switch, and nothing runs while all schedulers sleep. A stall is a slice that lasts: no yield, no wait, no
// reductions used up. Computing, a system call that blocks, a lock of somebody else's, a no_yield region: all count. A
// task that waits by ramie's means lets others run and is never told of.
//
// One that gives way just in time is not seen here: its share of the processor is in dump_tasks(), as reductions and
// ms.
#pragma once

#include <ramie/call_site.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#pragma GCC visibility push(default)
namespace ramie {

struct stall {
  std::uint64_t number = 0;                // counted from 1 by the watch; both reports of a stall have the same
  bool is_over = false;                    // false: it goes on, and `duration` is how long so far
  std::chrono::nanoseconds duration = {};  // at least this; to half of the threshold
  std::string task = {};                   // its name; "" where it has none
  call_site spawned_at = {};               // of the task
  int thread = 0;                          // the number that the kernel gives it: top -H, /proc/PID/task
  std::size_t could_run = 0;               // tasks of this thread that were ready meanwhile
  long system_call = -1;                   // it was waiting in the kernel, in the call with this number; -1: it was not
  // Where it was when the threshold was reached, the newest first: "function file:line  (module+0x1234)", without file
  // and line where the symbolizer is not installed. Of the fiber that ran, and after it of those that it was resumed
  // by.
  std::vector<std::string> frames = {};
  std::string no_frames = {};  // why there are none
};

// What the default report writes: several lines for one that goes on, one for one that is over. Throws std::bad_alloc.
[[nodiscard]] std::string describe(const stall& one);
// One JSON object on one line, without the line's end. Throws std::bad_alloc.
[[nodiscard]] std::string to_json(const stall& one);

struct stall_options {
  // At least 100 us. The watch looks twice in this time while a scheduler is busy, so what lasts half as long again is
  // told for certain. At 10 ms that took 0.4 to 0.6 % of a processor of a busy virtual machine; at 100 ms a tenth.
  std::chrono::nanoseconds threshold = std::chrono::milliseconds(10);
  // The share of stalls that are told, by chance, above 0 and at most 1; all are counted.
  double sample_rate = 1;
  // Called twice for each stall that is told: when the threshold is reached, and when it is over. On a thread of the
  // watch's that does nothing else, so it may block, and take its time: at most 256 wait for it, what comes then is
  // counted as lost. What it throws is dropped. Null: describe() to standard error.
  std::function<void(const stall&)> report = {};
  // The signal that asks a thread that computes for its stack; one that waits in the kernel is not interrupted. 0:
  // SIGURG, which does nothing where nobody handles it. A handler of the program's own gets those that are not ours.
  // A thread that blocks it may get one after the watch has gone: take one whose default is to do nothing.
  int signal = 0;
};

// While it lives, stalls are told. One for a process. Made and destroyed on any thread; not in a handler of its
// reports.
class stall_watch {
 public:
  // Throws std::logic_error when there is one already, std::invalid_argument for options that cannot be,
  // std::system_error for a signal that cannot be caught or threads that are refused. Starts two threads, which do not
  // keep a deadlock from being found.
  explicit stall_watch(stall_options options = {});
  // Ends when what is already found out has been told.
  ~stall_watch();
  stall_watch(const stall_watch&) = delete;
  stall_watch& operator=(const stall_watch&) = delete;

  struct statistics {
    std::uint64_t stalls = 0;  // all, also those that were not told
    std::uint64_t lost = 0;    // reports that nobody had time for
    std::chrono::nanoseconds longest = {};
  };
  // Any thread.
  [[nodiscard]] statistics counts() const noexcept;
  // False in a child that was forked meanwhile: threads do not survive that. There it tells nothing more, destroying it
  // is safe, and another one may be made, also while this one is there.
  [[nodiscard]] bool watches() const noexcept;

 private:
  struct [[gnu::visibility("hidden")]] state;
  std::unique_ptr<state> state_;
};

}  // namespace ramie
#pragma GCC visibility pop
