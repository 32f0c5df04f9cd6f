// Asking running functions to stop, and asking again.
#include "offload/pool.hpp"
#include "os/clock.hpp"
#include "os/futex.hpp"
#include "os/thread.hpp"
#include "park/park.hpp"

#include <algorithm>

namespace ramie::inline v0::offloading {
namespace {

using lock_held = std::unique_lock<std::mutex>;

constexpr std::int64_t between_unblocks_ns = 10'000'000;
constexpr std::int64_t keep_unblocker_ns = 10'000'000'000;

// Under the lock, which is let go while the callbacks run. The job stays: its thread waits for `being_called`.
void ask_to_stop(job& one, lock_held& held) noexcept {
  one.unblock_due_ns = os::monotonic_now_ns() + between_unblocks_ns;
  one.being_called = true;
  held.unlock();
  one.stop.request_stop();  // calls every std::stop_callback, the first time
  held.lock();
  for (unblock_entry* entry = one.first_unblock; entry != nullptr;) {
    entry->being_called = true;
    held.unlock();
    entry->call(*entry);
    held.lock();
    entry->being_called = false;
    entry = entry->next;  // whoever wants to detach it waits for the lock
    tell_of_an_end();
  }
  one.being_called = false;
  tell_of_an_end();
}

// The job whose turn is next; null: none.
job* earliest() noexcept {
  job* found = nullptr;
  for (job* one = all().first_stopping; one != nullptr; one = one->next_stopping) {
    if (!one->being_called && (found == nullptr || one->unblock_due_ns < found->unblock_due_ns)) found = one;
  }
  return found;
}

void unblocker_main(void*) {
  shared& here = all();
  lock_held held(here.lock);
  for (;;) {
    const std::int64_t now = os::monotonic_now_ns();
    job* next = earliest();
    if (next != nullptr && next->unblock_due_ns <= now) {
      ask_to_stop(*next, held);
      continue;
    }
    const std::int64_t until = next == nullptr ? now + keep_unblocker_ns : next->unblock_due_ns;
    const std::uint32_t seen = here.unblocker_work.load();
    held.unlock();
    parking::threads_at_rest.fetch_add(1);
    const bool called = os::futex_wait_until(here.unblocker_work, seen, until);
    parking::threads_at_rest.fetch_sub(1);
    held.lock();
    if (!called && next == nullptr && here.first_stopping == nullptr) {
      here.unblocker = false;
      return;
    }
  }
}

}  // namespace

void stop_soon(job& one, lock_held& held) noexcept {
  shared& here = all();
  one.unblock_due_ns = 0;
  one.next_stopping = std::exchange(here.first_stopping, &one);
  if (std::exchange(here.unblocker, true)) {
    here.unblocker_work.fetch_add(1);
    os::futex_wake_one(here.unblocker_work);
    return;
  }
  held.unlock();
  // The job is not gone meanwhile: its caller is the task for which this thread calls.
  const int refused = os::start_detached_thread("ramie-unblock", 0, &unblocker_main, nullptr);
  held.lock();
  if (refused == 0) return;
  // Without a thread for it there is one call, from here. The next request starts one, for this job too.
  here.unblocker = false;
  if (one.is == job::state::running) ask_to_stop(one, held);
  here.unblocker_work.fetch_add(1);
  os::futex_wake_one(here.unblocker_work);
}

void stop_no_more(job& one, lock_held& held) noexcept {
  if (!one.stopping) return;
  while (one.being_called) wait_for_an_end(held);
  for (job** place = &all().first_stopping; *place != nullptr; place = &(*place)->next_stopping) {
    if (*place != &one) continue;
    *place = one.next_stopping;
    return;
  }
}

bool attach(unblock_entry& one, const std::stop_token& stop) noexcept {
  job* here = job_here();
  if (here == nullptr || !stop.stop_possible() || here->stop.get_token() != stop) return false;
  lock_held held(all().lock);
  if (here->stopping && !all().unblocker) {
    // It was asked to stop before, and there is no thread that would say so: nobody else knows of this one yet.
    held.unlock();
    one.call(one);
    held.lock();
  }
  one.of = here;
  one.next = std::exchange(here->first_unblock, &one);
  if (one.next != nullptr) one.next->previous = &one;
  return true;
}

void detach(unblock_entry& one) noexcept {
  if (one.of == nullptr) return;
  lock_held held(all().lock);
  while (one.being_called) wait_for_an_end(held);
  (one.previous == nullptr ? one.of->first_unblock : one.previous->next) = one.next;
  if (one.next != nullptr) one.next->previous = one.previous;
}

}  // namespace ramie::inline v0::offloading
