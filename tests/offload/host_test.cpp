// The waist with a host of a few lines in place of the scheduler: offload needs no more than park/host.hpp.
#include "os/futex.hpp"
#include "park/park.hpp"

#include <ramie/offload.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace ramie_test {
namespace {

using namespace ramie::v0;
namespace os = ramie::os;

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
    os::futex_wake_one(roused_);
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
    control::this_thread().host = parking::as_word(this);
    while (!ready.empty() || outside_wakers.load() != 0) {
      while (ready.empty()) {
        roused_.store(0);
        if (letters.open_all() == 0) os::futex_wait(roused_, 0);
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

TEST(host_test, results_and_exceptions_come_back_on_another_host_than_the_scheduler) {
  small_host host;
  std::string said;
  host.add([&] {
    said += ramie::offload([] { return "a"; });
    try {
      ramie::offload([] { throw std::range_error("b"); });
    } catch (const std::range_error& error) {
      said += error.what();
    }
  });
  host.run();
  EXPECT_EQ(said, "ab");
}

TEST(host_test, cancelling_works_on_another_host_than_the_scheduler) {
  small_host host;
  ramie::offload_pool narrow({.threads = 1});
  std::string said;
  small_task& runs = host.add([&] {
    said += ramie::offload(narrow, [](const std::stop_token& stop) {
      std::atomic<int> calls = 0;
      ramie::unblock_callback wake(stop, [&] { ++calls; });
      while (calls < 3) os::yield_processor();
      return "stopped,";
    });
  });
  small_task& waits = host.add([&] {
    try {
      ramie::offload(narrow, [] { ADD_FAILURE(); });
    } catch (const ramie::cancelled&) {
      said += "taken back,";
      throw;
    }
  });
  host.add([&] {
    waits.self.cancel(nullptr);
    runs.self.cancel(nullptr);
  });
  host.run();
  EXPECT_EQ(said, "taken back,stopped,");
}

}  // namespace
}  // namespace ramie_test
