// A scheduler on each of several threads, and the work that goes between them.
//
// Submitted work lies in one queue. On each core a task, the taker, waits for it; a submit wakes all takers that wait.
// Each goes to the end of its own core's line first and then takes one, so the emptier the line the sooner it takes; a
// core that is blocked takes nothing, because nothing was handed to it.
#include "os/thread.hpp"
#include "task/record.hpp"

#include <ramie/event.hpp>
#include <ramie/runtime.hpp>

#include <cstdio>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace ramie {

using parking::waiter;

struct cores::state {
  unsigned count = 0;
  per_core_options options;
  tasking::core_main main = nullptr;
  void* argument = nullptr;
  std::vector<runtime_ref> refs;
  std::vector<unsigned> processors;

  std::atomic<std::size_t> open = 0;  // mains, tasks sent and work submitted that have not ended
  event all_ended;                    // `open` is 0
  parking::short_lock lock;
  work* first = nullptr;
  work* last = nullptr;
  parking::wait_list takers;
  bool over = false;

  event go;                 // all runtimes are there
  bool called_off = false;  // or nothing is to run; written before `go`
  std::mutex failing;
  std::exception_ptr failure;

  static constexpr parking::wait_kind work_wait = {"submitted work",
                                                   &parking::leave_list<state, &state::lock, &state::takers>};

  std::unique_ptr<work> take() noexcept;
  bool wait_for_work();
  void take_work(scope& s);
  void end() noexcept;
  bool note(const std::exception_ptr& error) noexcept;
  bool fail(const std::exception_ptr& error) noexcept;
  template <class Meet>
  void run_core(cores& all, unsigned index, Meet&& meet);
  void pin(unsigned index) const noexcept;
};

std::unique_ptr<cores::work> cores::state::take() noexcept {
  const std::lock_guard held(lock);
  std::unique_ptr<work> one(first);
  if (first != nullptr) first = first->next;
  return one;
}

// False: there will be none any more.
bool cores::state::wait_for_work() {
  lock.lock();
  if (first != nullptr || over) {
    lock.unlock();
    return !over;
  }
  waiter me;
  me.object = this;
  takers.push_back(me);
  lock.unlock();
  parking::park(me, work_wait);
  return true;
}

void cores::state::take_work(scope& s) {
  do {
    for (;;) {
      this_task::yield();
      std::unique_ptr<work> one = take();
      if (one == nullptr) break;
      const task_options how = one->options;
      const call_site site = one->site;
      s.spawn([one = std::move(one)] { one->run(); }, how, site);
    }
  } while (wait_for_work());
}

void cores::put(std::unique_ptr<work> one) noexcept {
  state& here = *state_;
  parking::wake_list woken;
  {
    const std::lock_guard held(here.lock);
    (here.first == nullptr ? here.first : here.last->next) = one.get();
    here.last = one.release();
    woken.take_all(here.takers);
  }
  woken.wake_all();
}

void cores::state::end() noexcept {
  parking::wake_list woken;
  {
    const std::lock_guard held(lock);
    over = true;
    woken.take_all(takers);
  }
  woken.wake_all();
  all_ended.set();
}

// False when another failure was first.
bool cores::state::note(const std::exception_ptr& error) noexcept {
  const std::lock_guard held(failing);
  if (failure != nullptr) return false;
  failure = error;
  return true;
}

// The same, and stops the other cores.
bool cores::state::fail(const std::exception_ptr& error) noexcept {
  if (!note(error)) return false;
  for (const runtime_ref& one : refs) one.stop(error);
  return true;
}

void cores::state::pin(unsigned index) const noexcept {
  const unsigned processor = processors[index % processors.size()];
  if (const int refused = os::run_only_on({processor}); refused != 0) {
    std::fprintf(stderr, "ramie: the thread of core %u could not be pinned to processor %u: %s; it runs unpinned\n",
                 index, processor, std::generic_category().message(refused).c_str());
  }
}

// On the core's thread. `meet` returns when the runtimes of all have been made.
template <class Meet>
void cores::state::run_core(cores& all, unsigned index, Meet&& meet) {
  std::optional<runtime> here;
  try {
    here.emplace(options.runtime);
    refs[index] = here->ref();
  } catch (...) {
    note(std::current_exception());
  }
  meet();
  if (called_off) return;
  if (options.pin) pin(index);
  try {
    here->run([&](scope& s) {
      s.spawn([&] { take_work(s); }, {.name = "taker"});
      {
        struct main_ends {
          cores& of;
          ~main_ends() { of.end_one(); }
        } const counted{all};
        main(argument, index, all);
      }
      all_ended.wait();
    });
  } catch (const task_cancelled&) {
    fail(std::current_exception());  // nearly always it was another's failure that stopped this one
  } catch (...) {
    const std::exception_ptr error = std::current_exception();
    if (fail(error)) return;
    options.runtime.unseen_error != nullptr ? options.runtime.unseen_error(error, "main")
                                            : tasking::tell_unseen(error, "main");
  }
}

cores::cores() : state_(std::make_unique<state>()) {}

cores::~cores() {
  while (state_->take() != nullptr) {
  }
}

unsigned cores::size() const noexcept { return state_->count; }

runtime_ref cores::ref(unsigned core) const {
  if (core < state_->count) return state_->refs[core];
  throw std::out_of_range("cores: there is no core " + std::to_string(core) + ", only " +
                          std::to_string(state_->count) + " of them, from 0");
}

void cores::add_one() noexcept { state_->open.fetch_add(1, std::memory_order_relaxed); }
void cores::end_one() noexcept {
  if (state_->open.fetch_sub(1, std::memory_order_acq_rel) == 1) state_->end();
}

void cores::run(unsigned count, const per_core_options& options, tasking::core_main main, void* argument) {
  if (parking::this_host() != nullptr) {
    throw std::logic_error("run_per_core inside run: this thread's tasks are running already");
  }
  state& here = *state_;
  here.count = count != 0 ? count : os::usable_processors();
  here.options = options;
  here.main = main;
  here.argument = argument;
  here.refs.resize(here.count);
  here.open = here.count;
  here.processors = os::allowed_processors();

  struct core_thread {
    cores* all;
    unsigned index;
    event made;
    os::joined_thread thread;
    static void body(void* self) {
      auto& mine = *static_cast<core_thread*>(self);
      state& all = *mine.all->state_;
      all.run_core(*mine.all, mine.index, [&] {
        mine.made.set();
        all.go.wait();
      });
    }
  };
  std::vector<std::unique_ptr<core_thread>> threads;
  std::exception_ptr refused;
  for (unsigned i = 1; i < here.count; ++i) {
    threads.push_back(std::make_unique<core_thread>());
    threads.back()->all = this;
    threads.back()->index = i;
  }
  for (unsigned i = 1; i < here.count; ++i) {
    core_thread& one = *threads[i - 1];
    const int error = one.thread.start(("ramie-core-" + std::to_string(i)).c_str(), &core_thread::body, &one);
    if (error == 0) continue;
    threads.resize(i - 1);
    refused = std::make_exception_ptr(std::system_error(
        error, std::generic_category(),
        "run_per_core: the thread of core " + std::to_string(i) + " of " + std::to_string(here.count) +
            " was refused. Ask for fewer, or raise the limit on threads (ulimit -u, pids.max, "
            "kernel.threads-max)"));
    break;
  }
  here.run_core(*this, 0, [&] {
    for (const auto& one : threads) one->made.wait();
    if (refused != nullptr) here.note(refused);
    here.called_off = here.failure != nullptr;
    here.go.set();
  });
  if (options.pin) os::run_only_on(here.processors);
  threads.clear();
  if (here.failure != nullptr) std::rethrow_exception(here.failure);
}

void tasking::run_on_cores(unsigned count, const per_core_options& options, core_main main, void* argument) {
  cores all;
  all.run(count, options, main, argument);
}

}  // namespace ramie
