// The calls of a pool and the threads that run them.
//
// One lock for all pools: a call changes threads twice, tens of microseconds, and the lock is held for a few list
// operations; so a fork finds everything whole by taking one lock. No code of the user runs under it.
// Invariant, under the lock: a job is in at most one list; who takes it out of the lists owes its caller one wake, and
// gives it before the lock is let go, so that no fork falls between.
#pragma once

#include <ramie/offload.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <system_error>

namespace ramie::inline v0::offloading {

class job_list {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  void push_back(job& one) noexcept;
  void remove(job& one) noexcept;
  job* pop_front() noexcept;  // null: empty

 private:
  job* first_ = nullptr;
  job* last_ = nullptr;
  std::size_t size_ = 0;
};

// A thread of a pool that has nothing to do. Lies on its stack.
struct idle_thread {
  idle_thread* next = nullptr;  // the one that became idle before it
  job* given = nullptr;
  std::atomic<std::uint32_t> called = 0;  // futex
};

struct pool {
  explicit pool(const offload_options& wanted);
  ~pool();
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;

  // To a thread or into the queue; throws when refused.
  void submit(job& one);
  // False: it will be woken. One that runs and owns its memory is the pool's from then on: `me` has no object any more.
  bool withdraw(job& one, parking::waiter& me) noexcept;

  const offload_options options;
  offload_statistics counts;  // threads, queued and running as far as the lists do not say it
  job_list queued, running;
  std::size_t left_behind = 0;  // of those running: nobody waits for them
  idle_thread* idle = nullptr;  // the last one that became idle goes first, so that surplus ones time out
  bool closing = false;
  pool* next_pool = nullptr;

 private:
  using lock_held = std::unique_lock<std::mutex>;
  static void thread_main(void* first_job);
  void begin(job& one) noexcept;
  bool start_thread_for(job& one, lock_held& held);
  job* after(job& one);
  job* wait_for_work(lock_held& held) noexcept;
  void finish(job& one, lock_held& held) noexcept;
  void refuse_queued() noexcept;
};

// What all pools share. Without a destructor: threads of ours may use it while the process ends.
struct shared {
  std::mutex lock;
  pool* first_pool = nullptr;
  job* first_stopping = nullptr;                       // were asked to stop, have not returned
  bool unblocker = false;                              // there is the thread that calls unblocks
  std::atomic<std::uint32_t> unblocker_work = 0;       // futex: grows when it has something new to do
  std::atomic<std::uint32_t> something_has_ended = 0;  // futex: a callback, or the last thread of a pool
};
extern constinit shared everything;
inline shared& all() noexcept { return everything; }

// Lets go of the lock until something_has_ended changes, or a little longer.
void wait_for_an_end(std::unique_lock<std::mutex>& held) noexcept;
void tell_of_an_end() noexcept;

// Under the lock: a running job is asked to stop, now and every 10 ms, by a thread of ours.
void stop_soon(job& one, std::unique_lock<std::mutex>& held) noexcept;
// It returned: nobody calls its callbacks any more.
void stop_no_more(job& one, std::unique_lock<std::mutex>& held) noexcept;

// The system would not start a pool's only thread: the limit, the numbers, the next step.
std::system_error thread_refused(const offload_options& of, int error);
std::system_error queue_full(const offload_options& of, std::size_t threads, std::size_t queued);

// The job that the calling thread runs; null on others.
job*& job_here() noexcept;

}  // namespace ramie::inline v0::offloading
