#include "sched/ticker.hpp"

#include "base/lasting.hpp"
#include "fiber/thread.hpp"
#include "os/clock.hpp"
#include "os/futex.hpp"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

namespace ramie::inline v0::sched {

std::atomic<std::uint32_t> ticker_sleeps = 0;

namespace {

struct clock_face {
  const context::thread_words* home;
  std::atomic<std::uint32_t>* ticks;
  std::atomic<bool>* busy;
};

struct ticker {
  std::mutex lock;
  std::vector<clock_face> faces;
  bool started = false;
};
constinit lasting<ticker> everything;
ticker& the_ticker() noexcept { return *everything; }

// While nobody is busy it looks less and less often, and at last sleeps: a wake costs tens of microseconds in a virtual
// machine, and a program that mostly waits is to pay for few.
constexpr int idle_rounds_most = 64;
constexpr std::int64_t longest_round = 16;  // in ticks

void tick() {
  ticker& here = the_ticker();
  for (int idle_rounds = 0;;) {
    os::sleep_until(os::monotonic_now_ns() + std::min<std::int64_t>(1 + idle_rounds, longest_round) * tick_ns);
    bool any = false;
    {
      std::lock_guard held(here.lock);
      for (const clock_face& face : here.faces) {
        if (!face.busy->load(std::memory_order_relaxed)) continue;
        face.ticks->fetch_add(1, std::memory_order_relaxed);
        any = true;
      }
    }
    idle_rounds = any ? 0 : idle_rounds + 1;
    if (idle_rounds < idle_rounds_most) continue;
    ticker_sleeps.store(1, std::memory_order_seq_cst);
    os::futex_wait(ticker_sleeps, 1);
    ticker_sleeps.store(0, std::memory_order_relaxed);
    idle_rounds = 0;
  }
}

// A fork leaves the thread behind, and the schedulers of others: the child's first busy scheduler starts one of its
// own.
void lock_ticker() noexcept { the_ticker().lock.lock(); }
void unlock_ticker() noexcept { the_ticker().lock.unlock(); }
void forget_threads() noexcept {
  std::erase_if(the_ticker().faces, [](const clock_face& face) { return face.home != context::this_thread_words(); });
  the_ticker().started = false;
  ticker_sleeps.store(1, std::memory_order_relaxed);
  unlock_ticker();
}
[[gnu::constructor(101)]] void see_to_forks() { pthread_atfork(&lock_ticker, &unlock_ticker, &forget_threads); }

// Under the lock. Throws std::system_error.
void start_thread(ticker& here) {
  if (std::exchange(here.started, true)) return;
  try {
    os::start_quiet_thread("ramie-ticker", &tick);
  } catch (...) {
    here.started = false;
    throw;
  }
}

}  // namespace

void add_to_ticker(std::atomic<std::uint32_t>& ticks, std::atomic<bool>& busy) {
  ticker& here = the_ticker();
  std::lock_guard held(here.lock);
  start_thread(here);
  here.faces.push_back({context::this_thread_words(), &ticks, &busy});
}

void remove_from_ticker(std::atomic<std::uint32_t>& ticks) noexcept {
  ticker& here = the_ticker();
  std::lock_guard held(here.lock);
  std::erase_if(here.faces, [&](const clock_face& face) { return face.ticks == &ticks; });
}

void rouse_ticker() noexcept {
  if (ticker_sleeps.exchange(0, std::memory_order_seq_cst) == 0) return;
  os::futex_wake_one(ticker_sleeps);
  std::lock_guard held(the_ticker().lock);
  if (the_ticker().started) return;
  try {
    start_thread(the_ticker());
  } catch (const std::system_error&) {
    // Slices still end by their reductions.
  }
}

std::uint32_t ticker_threads() noexcept {
  std::lock_guard held(the_ticker().lock);
  return the_ticker().started ? 1 : 0;
}

}  // namespace ramie::inline v0::sched
