// The schedulers of this process as seen by somebody who only looks: no scheduler knows who that is.
#pragma once

#include "sched/scheduler.hpp"

#include <atomic>
#include <cstdint>

namespace ramie::inline v0::sched {

struct sight {
  const scheduler* which;
  int thread;                          // its home's number in the kernel
  const context::thread_words* words;  // and its words there
  bool busy;                           // it runs tasks, and does not sleep
  std::uint64_t slice;                 // another number is another slice
};

// Any thread. While it visits, no scheduler comes or goes: what `which` and `words` point to stays. Visiting must be
// short and start no scheduler.
void each_scheduler(void (*visit)(const sight& one, void* argument), void* argument);

// Who looks may sleep while no scheduler is busy: it sets this to 1 and waits for it as for a futex; a scheduler that
// becomes busy sets it to 0 and wakes it. One that becomes busy at that very moment may be missed, so the sleep has an
// end.
extern std::atomic<std::uint32_t> onlooker_sleeps;

}  // namespace ramie::inline v0::sched
