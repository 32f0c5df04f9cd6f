#include "sched/scheduler.hpp"

#include "base/check.hpp"
#include "base/lasting.hpp"
#include "os/clock.hpp"
#include "os/futex.hpp"
#include "os/signal_safe.hpp"
#include "park/slice.hpp"
#include "sched/inspect.hpp"
#include "sched/ticker.hpp"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <utility>

namespace ramie::inline v0::sched {
namespace {

// How often a busy loop looks at letters and timers, in slices: a clock read (25 ns) then costs a slice less than half
// a nanosecond. A slice is bounded by its reductions, so this is also how late a look can be.
constexpr std::uint32_t slices_between_looks = 64;
// Who is woken goes before those that were ready already, for seven eighths of the time: a slice of one of those earns
// the woken ones seven times its reductions, and at least those of so many short slices; a slice of theirs takes what
// it was charged and a wake's own cost (300 ns, a reduction 10 to 35). So nobody starves: of tasks that are ready and
// use whole slices, 140 us each, one runs every millisecond whatever is woken; and ten thousand that are woken every 10
// ms and take 3 to 6 ms of them are behind one whole slice of theirs, not behind half of the time.
constexpr std::int64_t urgent_share = 7, reductions_of_a_wake = 8, urgent_wakes_least = 64;
// Started fibers kept for the next tasks.
constexpr std::size_t idle_bases_most = 256;
// With many timers the thread does not wake for each: at most once in this time.
constexpr std::size_t many_timers = 1000;
constexpr std::int64_t wake_interval_ns = 1'000'000;
// After this long without anything to wait for, it is asked whether anything can come.
constexpr std::int64_t first_sleep_ns = 20'000'000;

// Schedulers that can be written to.
struct registry {
  struct entry {
    scheduler* one;
    const context::thread_words* home;
    int thread;
  };
  std::mutex lock;
  std::vector<entry> living;
};
constinit lasting<registry> everything;
registry& schedulers() noexcept { return *everything; }

void lock_schedulers() noexcept { schedulers().lock.lock(); }
void unlock_schedulers() noexcept { schedulers().lock.unlock(); }
// In a forked child the schedulers of other threads are gone, and so are those who were posting to this thread's.
void forget_threads() noexcept {
  std::erase_if(schedulers().living, [](const registry::entry& of) { return of.home != context::this_thread_words(); });
  for (registry::entry& of : schedulers().living) {
    of.one->forget_posters();
    of.thread = os::thread_number();
  }
  unlock_schedulers();
}
[[gnu::constructor(101)]] void see_to_forks() { pthread_atfork(&lock_schedulers, &unlock_schedulers, &forget_threads); }

// While a loop runs, the thread's words are its own: the exceptions that its caller is handling, and where its caller
// has transferred from, are put aside.
class thread_for_a_loop {
 public:
  explicit thread_for_a_loop(parking::host* host)
      : thread_(control::this_thread()),
        in_flight_(std::exchange(*thread_.exceptions, context::exception_words{nullptr, 0})),
        left_(std::exchange(thread_.left, nullptr)),
        host_(std::exchange(thread_.host, host)) {}
  ~thread_for_a_loop() {
    *thread_.exceptions = in_flight_;
    thread_.left = left_;
    thread_.host = host_;
  }
  thread_for_a_loop(const thread_for_a_loop&) = delete;
  thread_for_a_loop& operator=(const thread_for_a_loop&) = delete;

 private:
  context::thread_words& thread_;
  const context::exception_words in_flight_;
  control::control_block* const left_;
  context::chain_keeper* const host_;
};

}  // namespace

std::atomic<std::uint32_t> onlooker_sleeps = 0;

void each_scheduler(void (*visit)(const sight& one, void* argument), void* argument) {
  std::lock_guard held(schedulers().lock);
  for (const registry::entry& of : schedulers().living) {
    visit({of.one, of.thread, of.home, of.one->is_busy(), of.one->slice_number()}, argument);
  }
}

namespace {
bool is_among_the_living(const scheduler* one) noexcept {  // under the lock
  const auto& living = schedulers().living;
  return std::any_of(living.begin(), living.end(), [&](const auto& of) { return of.one == one; });
}
}  // namespace

bool lives(const scheduler* one) noexcept {
  std::lock_guard held(schedulers().lock);
  return is_among_the_living(one);
}

bool post_if_it_lives(scheduler* to, parking::letter& one) noexcept {
  std::lock_guard held(schedulers().lock);
  if (!is_among_the_living(to)) return false;
  to->post(one);
  return true;
}

scheduler::scheduler(clock_kind clock, const task_functions& functions, poller_factory pollers)
    : functions_(functions),
      clock_(clock),
      pollers_(pollers),
      timers_(clock == clock_kind::fake ? 0 : os::monotonic_now_ns()) {
  idle_bases_.reserve(idle_bases_most);
  ready.reserve(1);
  urgent.reserve(1);
  std::lock_guard held(schedulers().lock);
  schedulers().living.push_back({this, context::this_thread_words(), os::thread_number()});
}

namespace {
[[gnu::noinline]] void rouse_onlooker() noexcept {
  if (onlooker_sleeps.exchange(0, std::memory_order_relaxed) != 0) os::futex_wake_one(onlooker_sleeps);
}
}  // namespace

void scheduler::become_busy(bool is_to_tick) noexcept {
  busy_.store(true, std::memory_order_relaxed);
  if (is_to_tick) see_that_it_ticks();
  if (onlooker_sleeps.load(std::memory_order_relaxed) != 0) [[unlikely]]
    rouse_onlooker();
}

void scheduler::start_ticking() {
  // Under a fake clock slices end by their reductions alone: real milliseconds would make each run another.
  if (is_counted_ || clock_ == clock_kind::fake) return;
  add_to_ticker(ticks, busy_);
  is_counted_ = true;
}

scheduler::~scheduler() {
  if (is_counted_) remove_from_ticker(ticks);
  {
    std::lock_guard held(schedulers().lock);
    std::erase_if(schedulers().living, [&](const registry::entry& of) { return of.one == this; });
  }
  wait_for_posters();
  letters.open_all();
  // The idle bases run to their ends.
  running = nullptr;
  const thread_for_a_loop aside(this);
  for (control::chain& base : idle_bases_) {
    RAMIE_CHECK(control::enter(loop, base).how == control::departure::ended);
  }
}

std::int64_t scheduler::now_ns() noexcept { return clock_ == clock_kind::fake ? fake_now_ns_ : os::monotonic_now_ns(); }

void scheduler::rouse() noexcept {
  if (awake_.exchange(1, std::memory_order_seq_cst) != 0) return;
  // Null although it has one by now: it was awake to make it, and looks at its letters before it sleeps again.
  if (poller* one = rousable_.load(std::memory_order_acquire)) return one->rouse();
  os::futex_wake_one(awake_);
}

poller& scheduler::the_poller() {
  if (poller_ == nullptr) [[unlikely]] {
    RAMIE_CHECK(pollers_.make != nullptr);
    poller_ = pollers_.make(pollers_.wanted, *this);
    rousable_.store(poller_.get(), std::memory_order_release);
  }
  return *poller_;
}

poller* poller_here() {
  parking::host* here = parking::this_host();
  if (here == nullptr || here->running == nullptr) return nullptr;
  return &static_cast<scheduler*>(here)->the_poller();
}

poller* poller_made_here() noexcept {
  parking::host* here = parking::this_host();
  return here == nullptr ? nullptr : static_cast<scheduler*>(here)->poller_if_made();
}

void scheduler::base_main(void* self) {
  auto& here = *static_cast<scheduler*>(self);
  control::control_block* base = context::this_thread_words()->current;
  try {
    here.run_tasks();
  } catch (...) {
    // Unwound by force: kill() of its own fiber, or pthread_exit().
    parked* task = std::exchange(here.running, nullptr);
    if (task != nullptr) here.functions_.lost(*task);
    control::prepare_end(base, here.loop);
    throw;
  }
  control::prepare_end(base, here.loop);
}

// On a base: runs the task that it was entered for, then whatever comes next in the line as long as that has not
// started either and so can have this stack. Returns when the base is not needed any more.
void scheduler::run_tasks() {
  for (;;) {
    const bool is_default = functions_.takes_default_stack(*running);
    for (;;) {
      functions_.run(*running);
      if (ready.empty() || !urgent.empty() || slices_until_look == 0 || !is_default ||
          ready.coming(0)->chain.leaf != nullptr || !functions_.takes_default_stack(*ready.coming(0)))
        break;
      --slices_until_look;
      running = ready.pop();
      budget = parking::reductions_per_slice;
      running->chain.leaf = context::this_thread_words()->current;
      take_up(*running, functions_.order(*running));
    }
    running = nullptr;
    if (!is_default || idle_bases_.size() >= idle_bases_most) return;
    parked* next = parking::next_to_pass_to(*this);
    if (next != nullptr && next->chain.leaf != nullptr) {
      parking::change_slice(*this, nullptr, next);
      idle_bases_.push_back({});
      control::pass(idle_bases_.back(), next->chain);
    } else {
      control::chain idle;
      control::leave(loop, idle);
    }
    if (running == nullptr) return;  // the scheduler ends
  }
}

void scheduler::take_up(parked& task, const start_order& order) noexcept {
  control::rename_base(task.chain.leaf, order.options.name, order.site, order.locals);
}

bool scheduler::give_stack(parked& task) noexcept {
  if (idle_bases_.empty() || !functions_.takes_default_stack(task)) return false;
  task.chain = idle_bases_.back();
  idle_bases_.pop_back();
  take_up(task, functions_.order(task));
  return true;
}

void scheduler::take_stack(parked& task) {
  if (give_stack(task)) return;
  const start_order order = functions_.order(task);
  try {
    task.chain = control::make_base(order.options, order.site, &base_main, this);
  } catch (...) {
    control::drop(order.locals);
    throw;
  }
  // Only the loop can enter a base for the first time: this keeps control from being passed to it.
  task.chain.sp |= context::tag_baggage;
  take_up(task, order);
}

bool scheduler::take_base(parked& task) {
  try {
    take_stack(task);
    return true;
  } catch (...) {
    functions_.refused(task);
    return false;
  }
}

// Inlined into the loop: a call between two switches would make the returns of both sides mispredict.
[[gnu::always_inline]] inline void scheduler::run_slice() {
  const bool is_urgent = !urgent.empty() && (ready.empty() || urgent_credit_ > 0);
  parked* task = nullptr;
  if (is_urgent) {
    parking::fetch_ahead_of_woken(urgent);
    task = urgent.pop();
  } else {
    parking::fetch_ahead(ready);
    task = ready.pop();
  }
  if (task->chain.leaf == nullptr) [[unlikely]] {
    if (!take_base(*task)) return;
  }
  running = task;
  budget = parking::reductions_per_slice;
  const control::departed left = control::enter(loop, task->chain);
  task = std::exchange(running, nullptr);
  if (task != nullptr) [[likely]] {
    task->chain.leaf = left.leaf;
    task->chain.sp = left.sp;
    task->chain.errno_value = left.errno_value;
    account(*task);
  } else {
    base_left(left);
  }
  const std::int64_t used = std::min(parking::reductions_per_slice - budget, parking::reductions_per_slice);
  urgent_credit_ = is_urgent ? urgent_credit_ - used - reductions_of_a_wake
                             : urgent_share * used + urgent_wakes_least * reductions_of_a_wake;
}

void scheduler::base_left(const control::departed& left) {
  if (left.how == control::departure::parked) {
    idle_bases_.push_back({.leaf = left.leaf, .sp = left.sp});
  } else if (left.how == control::departure::thread_exit) {
    thread_exits_ = true;
  }
}

void scheduler::look_around() {
  slices_until_look = slices_between_looks;
  looks_around = true;
  if (!letters.empty()) letters.open_all();
  if (control::has_mail(context::this_thread_words())) control::read_mail();
  if (timers_.size() != 0 || ticks.load(std::memory_order_relaxed) != ticks_of_clock_) {
    ticks_of_clock_ = ticks.load(std::memory_order_relaxed);
    const std::int64_t now = now_ns();
    coarse_ms = static_cast<std::uint32_t>(now / 1'000'000);
    timers_.advance(now);
  }
  if (poller_ != nullptr) poller_->look(ready.empty() && urgent.empty());
  looks_around = false;
}

// False: only the time was over.
bool scheduler::sleep(std::int64_t due_ns) noexcept {
  if (poller_ != nullptr) {
    looks_around = true;
    const bool something = poller_->sleep(due_ns);
    looks_around = false;
    return something;
  }
  if (due_ns != INT64_MAX) return os::futex_wait_until(awake_, 0, due_ns);
  os::futex_wait(awake_, 0);
  return true;
}

// False: nothing can happen any more.
bool scheduler::sleep_until_something(std::int64_t until_ns) {
  std::int64_t due = timers_.next_ns();
  if (clock_ == clock_kind::fake && outside_wakers.load() != 0) due = until_ns = INT64_MAX;  // time waits for them
  if (clock_ == clock_kind::fake && due != INT64_MAX) {
    if (poller_ != nullptr && poller_->in_flight() != 0) {
      looks_around = true;
      poller_->look(false);
      looks_around = false;
      if (!urgent.empty()) return true;
    }
    fake_now_ns_ = std::max(fake_now_ns_, std::min(due, until_ns));
    return true;
  }
  const bool world_may_wake = outside_wakers.load() != 0 || (poller_ != nullptr && poller_->in_flight() != 0);
  if (due == INT64_MAX && until_ns == INT64_MAX && !world_may_wake) {
    // Perhaps for ever. The first sleep is short, and only after that are the threads counted (20 us).
    if (clock_ == clock_kind::fake || slept_in_vain_) {
      if (os::thread_count() == 1 + ticker_threads() + parking::threads_at_rest.load()) return !letters.empty();
    } else {
      due = now_ns() + first_sleep_ns;
    }
  }
  if (timers_.size() > many_timers) due = std::max(due, woke_ns_ + wake_interval_ns);
  due = std::min(due, until_ns);
  awake_.store(0, std::memory_order_seq_cst);
  busy_.store(false, std::memory_order_relaxed);
  slept_in_vain_ = false;
  if (letters.empty()) slept_in_vain_ = !sleep(due);
  awake_.store(1, std::memory_order_relaxed);
  become_busy(true);
  woke_ns_ = os::monotonic_now_ns();
  if (clock_ == clock_kind::monotonic) coarse_ms = static_cast<std::uint32_t>(woke_ns_ / 1'000'000);
  return true;
}

scheduler::ending scheduler::run_until(const bool& done, std::int64_t until_ns) {
  RAMIE_CHECK(parking::this_host() == nullptr);
  const thread_for_a_loop aside(this);
  awake_.store(1, std::memory_order_relaxed);
  become_busy(true);
  slices_until_look = 0;
  ending how = ending::done;
  while (!done) {
    if (thread_exits_) break;
    if ((ready.empty() && urgent.empty()) || slices_until_look == 0) {
      look_around();
      if (until_ns != INT64_MAX && now_ns() >= until_ns) {
        how = ending::time_over;
        break;
      }
      if (ready.empty() && urgent.empty()) {
        if (sleep_until_something(until_ns)) continue;
        how = ending::stuck;
        break;
      }
    }
    --slices_until_look;
    run_slice();
  }
  if (poller_ != nullptr) poller_->look(false);  // what was asked of the kernel is on its way before this returns
  busy_.store(false, std::memory_order_relaxed);
  if (is_hosted_) hand_over();
  if (thread_exits_) pthread_exit(nullptr);
  return how;
}

int scheduler::descriptor() {
  const int number = the_poller().host_descriptor();
  if (number >= 0 && !std::exchange(is_hosted_, true)) {
    // Whatever came before nobody was told of: the first turn looks.
    hand_over();
    the_poller().rouse();
  }
  return number;
}

// False: it is to be called again soon, whatever the descriptor says.
bool scheduler::hand_over() {
  const bool all_asked = poller_->hand_over();
  awake_.store(0, std::memory_order_seq_cst);
  if (letters.empty() && ready.empty() && urgent.empty()) return all_asked;
  rouse();
  return all_asked;
}

std::int64_t scheduler::run_ready() {
  RAMIE_CHECK(parking::this_host() == nullptr && poller_ != nullptr);
  const thread_for_a_loop aside(this);
  awake_.store(1, std::memory_order_relaxed);
  become_busy(false);  // a hosted one starts no thread
  sleep(0);            // takes what has happened and what somebody has roused for, and does not wait
  look_around();
  while (!thread_exits_ && slices_until_look != 0 && !(ready.empty() && urgent.empty())) {
    --slices_until_look;
    run_slice();
  }
  poller_->look(false);
  busy_.store(false, std::memory_order_relaxed);
  const bool all_asked = hand_over();
  if (thread_exits_) pthread_exit(nullptr);
  if (!ready.empty() || !urgent.empty()) return INT64_MAX;  // the next turn says; a timer of 0 makes libuv 1.44 spin
  std::int64_t due_ns = timers_.next_ns();
  const std::int64_t now = due_ns == INT64_MAX && all_asked ? 0 : now_ns();
  if (!all_asked) due_ns = std::min(due_ns, now + wake_interval_ns);
  return due_ns == INT64_MAX ? INT64_MAX : std::max<std::int64_t>(0, due_ns - now);
}

}  // namespace ramie::inline v0::sched
