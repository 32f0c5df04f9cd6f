// A host of a few lines in place of the scheduler: whoever waits needs no more than park/host.hpp.
#pragma once

#include "os/futex.hpp"
#include "park/park.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace ramie_test {

using namespace ramie::v0;

struct small_task : parking::parked {
  std::function<void()> body;
  parking::cancel_scope self;
};

// Runs what is ready, and waits for letters as long as it knows that one will come.
class small_host final : public parking::host {
 public:
  ~small_host() { wait_for_posters(); }
  std::int64_t now_ns() noexcept override { return 0; }
  void set(parking::timer&, std::int64_t) noexcept override {}
  void unset(parking::timer&) noexcept override {}
  void rouse() noexcept override {
    roused_.store(1);
    ramie::os::futex_wake_one(roused_);
  }

  small_task& add(std::function<void()> body) {
    auto& task = *tasks_.emplace_back(std::make_unique<small_task>());
    task.body = std::move(body);
    task.self.owner = &task;
    task.innermost = &task.self;
    task.chain = control::make_base({}, ramie::call_site::current(), &main, this);
    ready.reserve(tasks_.size());
    ready.push(&task);
    return task;
  }
  void run() {
    control::this_thread().host = this;
    while (!ready.empty() || outside_wakers.load() != 0) {
      while (ready.empty()) {
        roused_.store(0);
        if (letters.open_all() == 0) ramie::os::futex_wait(roused_, 0);
      }
      running = ready.pop();
      const control::departed left = control::enter(loop, running->chain);
      running->chain.leaf = left.leaf;
      running->chain.sp = left.sp;
      running = nullptr;
    }
    control::this_thread().host = nullptr;
  }

 private:
  static void main(void* self) {
    auto& here = *static_cast<small_host*>(self);
    try {
      static_cast<small_task*>(here.running)->body();
    } catch (const ramie::cancelled& told) {
      told.absorb();
    }
    control::prepare_end(context::this_thread_words()->current, here.loop);
  }
  std::vector<std::unique_ptr<small_task>> tasks_;
  std::atomic<std::uint32_t> roused_ = 0;
};

}  // namespace ramie_test
