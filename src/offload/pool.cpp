#include "offload/pool.hpp"

#include "base/check.hpp"
#include "base/lasting.hpp"
#include "os/clock.hpp"
#include "os/futex.hpp"
#include "os/thread.hpp"
#include "park/park.hpp"

#include <pthread.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace ramie::inline v0::offloading {
namespace {

using parking::wait_kind;
using parking::waiter;

constexpr unsigned threads_for_a_processor = 4, threads_least = 16;

constexpr wait_kind offload_wait = {"offload", [](waiter& one) noexcept {
                                      auto& call = *static_cast<job*>(one.object);
                                      return call.in->withdraw(call, one);
                                    }};

[[gnu::tls_model("initial-exec")]] constinit thread_local job* running_here = nullptr;

// A fork leaves the threads behind, and with them the calls that they ran. Those of this thread's tasks that waited end
// with an error; new calls get new threads.
void lock_all() noexcept { all().lock.lock(); }
void unlock_all() noexcept { all().lock.unlock(); }
void lose_all(job_list& jobs) noexcept {
  while (job* one = jobs.pop_front()) {
    one->is = job::state::lost_in_fork;
    if (one->caller != nullptr) parking::wake(*one->caller);
  }
}
void forget_threads() noexcept {
  shared& here = all();
  for (pool* one = here.first_pool; one != nullptr; one = one->next_pool) {
    one->idle = nullptr;
    one->counts.threads = 0;
    lose_all(one->running);
    one->left_behind = 0;
    lose_all(one->queued);
  }
  here.first_stopping = nullptr;
  here.unblocker = false;
  parking::threads_at_rest.store(0);
  unlock_all();
}
[[gnu::constructor(101)]] void see_to_forks() { pthread_atfork(&lock_all, &unlock_all, &forget_threads); }

offload_options with_defaults(offload_options wanted) {
  if (wanted.threads == 0) wanted.threads = std::max(threads_least, threads_for_a_processor * os::usable_processors());
  return wanted;
}

}  // namespace

constinit shared everything;

job*& job_here() noexcept { return running_here; }

void wait_for_an_end(std::unique_lock<std::mutex>& held) noexcept {
  const std::uint32_t seen = all().something_has_ended.load();
  held.unlock();
  os::futex_wait(all().something_has_ended, seen);
  held.lock();
}

void tell_of_an_end() noexcept {
  all().something_has_ended.fetch_add(1);
  os::futex_wake_all(all().something_has_ended);
}

void job_list::push_back(job& one) noexcept {
  one.previous = last_;
  one.next = nullptr;
  (last_ == nullptr ? first_ : last_->next) = &one;
  last_ = &one;
  ++size_;
}

void job_list::remove(job& one) noexcept {
  (one.previous == nullptr ? first_ : one.previous->next) = one.next;
  (one.next == nullptr ? last_ : one.next->previous) = one.previous;
  --size_;
}

job* job_list::pop_front() noexcept {
  job* one = first_;
  if (one != nullptr) remove(*one);
  return one;
}

pool::pool(const offload_options& wanted) : options(with_defaults(wanted)) {
  const std::lock_guard held(all().lock);
  next_pool = std::exchange(all().first_pool, this);
}

pool::~pool() {
  std::unique_lock held(all().lock);
  RAMIE_CHECK(queued.empty() && running.size() == left_behind);
  closing = true;
  for (idle_thread* one = std::exchange(idle, nullptr); one != nullptr;) {
    idle_thread& called = *std::exchange(one, one->next);
    called.called.store(1);
    os::futex_wake_one(called.called);
  }
  while (counts.threads != 0) wait_for_an_end(held);
  pool** place = &all().first_pool;
  while (*place != this) place = &(*place)->next_pool;
  *place = next_pool;
}

void pool::begin(job& one) noexcept {
  one.is = job::state::running;
  running.push_back(one);
}

void pool::submit(job& one) {
  one.in = this;
  std::unique_lock held(all().lock);
  if (idle == nullptr && counts.threads < options.threads && start_thread_for(one, held)) return;
  if (idle != nullptr) {
    idle_thread& called = *std::exchange(idle, idle->next);
    begin(one);
    called.given = &one;
    called.called.store(1);
    os::futex_wake_one(called.called);
    return;
  }
  if (queued.size() >= options.queue_limit) {
    ++counts.rejected;
    const auto waiting = std::pair(counts.threads, queued.size());
    held.unlock();
    throw queue_full(options, waiting.first, waiting.second);
  }
  one.is = job::state::queued;
  queued.push_back(one);
  counts.longest_queue = std::max(counts.longest_queue, queued.size());
}

// False: it was refused, but there are others.
bool pool::start_thread_for(job& one, lock_held& held) {
  ++counts.threads;
  begin(one);
  held.unlock();
  const int refused = os::start_detached_thread(options.name.text(), options.stack_bytes, &thread_main, &one);
  if (refused == 0) return true;
  held.lock();
  --counts.threads;
  ++counts.threads_refused;
  running.remove(one);
  one.is = job::state::made;
  if (counts.threads != 0) return false;
  ++counts.rejected;
  refuse_queued();
  held.unlock();
  throw thread_refused(options, refused);
}

// They counted on threads that could not be started either.
void pool::refuse_queued() noexcept {
  while (job* one = queued.pop_front()) {
    one->is = job::state::refused;
    ++counts.rejected;
    parking::wake(*one->caller);
  }
}

bool pool::withdraw(job& one, waiter& me) noexcept {
  std::unique_lock held(all().lock);
  if (one.is == job::state::queued) {
    queued.remove(one);
    one.is = job::state::withdrawn;
    ++counts.withdrawn;
    return true;
  }
  if (one.is == job::state::running && one.release != nullptr) {
    ++counts.abandoned;
    ++left_behind;
    one.caller = nullptr;
    me.object = nullptr;
    return true;
  }
  if (one.is == job::state::running && !std::exchange(one.stopping, true)) {
    ++counts.cancelled;
    if (one.stop.stop_possible()) stop_soon(one, held);
  }
  return false;
}

void pool::thread_main(void* first_job) {
  auto* one = static_cast<job*>(first_job);
  pool& here = *one->in;
  while (one != nullptr) {
    running_here = one;
    try {
      one->call(*one);
    } catch (...) {
      one->error = std::current_exception();
    }
    running_here = nullptr;
    one = here.after(*one);
  }
}

// The job has returned; the next one, or null: the thread ends, and the pool may be gone.
job* pool::after(job& one) {
  std::unique_lock held(all().lock);
  const bool nobody_waits = one.caller == nullptr;
  finish(one, held);
  if (nobody_waits) {
    held.unlock();
    one.release(one);
    held.lock();
  }
  if (job* next = queued.pop_front()) {
    begin(*next);
    return next;
  }
  if (job* next = closing ? nullptr : wait_for_work(held)) return next;
  if (--counts.threads == 0) tell_of_an_end();
  return nullptr;
}

void pool::finish(job& one, lock_held& held) noexcept {
  // In the child of a fork that this very function made, its caller was told already and there is nothing to go back
  // to.
  RAMIE_CHECK(one.is == job::state::running);
  stop_no_more(one, held);
  running.remove(one);
  one.is = job::state::done;
  ++counts.done;
  if (one.caller == nullptr) {
    --left_behind;
    return;
  }
  parking::wake(*one.caller);  // from now on it may be gone
}

job* pool::wait_for_work(lock_held& held) noexcept {
  idle_thread me;
  me.next = std::exchange(idle, &me);
  held.unlock();
  parking::threads_at_rest.fetch_add(1);
  const std::int64_t now = os::monotonic_now_ns();
  const std::int64_t until =
      options.keep_idle.count() > parking::never_ns - now ? parking::never_ns : now + options.keep_idle.count();
  while (me.called.load() == 0 && os::futex_wait_until(me.called, 0, until)) {
  }
  parking::threads_at_rest.fetch_sub(1);
  held.lock();
  if (me.called.load() == 0) {
    idle_thread** place = &idle;
    while (*place != &me) place = &(*place)->next;
    *place = me.next;
  }
  return me.given;
}

namespace {

void run_for(waiter& me, pool& on, job& one) {
  me.object = &one;
  if (running_here != nullptr && running_here->in == &on) {
    // A thread of the pool that waited for another one could wait for ever.
    one.stop = running_here->stop;
    return one.call(one);
  }
  one.caller = &me;
  struct known_waker {
    parking::host* of;
    explicit known_waker(parking::host* home) : of(home) {
      if (of != nullptr) of->outside_wakers.fetch_add(1);
    }
    known_waker(const known_waker&) = delete;
    known_waker& operator=(const known_waker&) = delete;
    ~known_waker() {
      if (of != nullptr) of->outside_wakers.fetch_sub(1);
    }
  };
  {
    if (me.home != nullptr) parking::check_cancelled(*me.home);
    const known_waker counted(me.home);
    on.submit(one);
    parking::park(me, offload_wait);
  }
  if (one.is == job::state::lost_in_fork) {
    throw std::system_error(std::make_error_code(std::errc::operation_canceled),
                            "offload: this process was forked, and the call stayed with a thread of its parent");
  }
  if (one.is == job::state::refused) throw thread_refused(on.options, EAGAIN);
  RAMIE_CHECK(one.is == job::state::done);
  if (one.error == nullptr) return;
  if (one.stopping && me.home != nullptr) parking::check_cancelled(*me.home);
  std::rethrow_exception(one.error);
}

}  // namespace

void run(pool& on, job& one) {
  waiter me;
  run_for(me, on, one);
}

void run(pool& on, owned_job& one) {
  waiter me;
  try {
    run_for(me, on, *one);
  } catch (...) {
    if (me.object == nullptr) static_cast<void>(one.release());
    throw;
  }
}

}  // namespace ramie::inline v0::offloading

namespace ramie::inline v0 {

offload_pool::offload_pool(offload_options options) : pool_(std::make_unique<offloading::pool>(options)) {}
offload_pool::~offload_pool() = default;

offload_statistics offload_pool::statistics() const {
  const std::lock_guard held(offloading::all().lock);
  offload_statistics now = pool_->counts;
  now.running = pool_->running.size();
  now.queued = pool_->queued.size();
  return now;
}

const offload_options& offload_pool::options() const noexcept { return pool_->options; }

namespace {
constinit std::atomic<offload_pool*> the_default_pool = nullptr;
}

offload_pool& default_offload_pool() {
  return first_made(the_default_pool, [] { return std::make_unique<offload_pool>(); });
}

}  // namespace ramie::inline v0
