// The waist with a host of a few lines in place of the scheduler: sync needs no more than park/host.hpp.
#include "park/park.hpp"

#include <ramie/channel.hpp>
#include <ramie/mutex.hpp>
#include <ramie/select.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace ramie_test {
namespace {

using namespace ramie::v0;

struct small_task : parking::parked {
  std::function<void()> body;
  parking::cancel_scope self;
};

// Runs what is ready until nothing is.
class small_host final : public parking::host {
 public:
  std::int64_t now_ns() noexcept override { return 0; }
  void set(parking::timer&, std::int64_t) noexcept override {}
  void unset(parking::timer&) noexcept override {}
  void rouse() noexcept override {}

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
    while (!ready.empty()) {
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
};

TEST(host_test, mutex_channel_and_select_work_on_another_host_than_the_scheduler) {
  small_host host;
  ramie::mutex m;
  ramie::channel<int> numbers, quiet;
  std::string said;
  host.add([&] {
    std::lock_guard held(m);
    EXPECT_EQ(numbers.receive(), 1);
    said += "a";
  });
  host.add([&] {
    std::lock_guard held(m);
    said += "b";
    numbers.close();
  });
  host.add([&] {
    numbers.send(1);
    ramie::select(ramie::on(quiet, [](int) {}),
                  ramie::on(numbers, [&](std::optional<int> n) { said += n ? "?" : "c"; }));
  });
  host.run();
  EXPECT_EQ(said, "abc");
}

TEST(host_test, cancelling_works_on_another_host_than_the_scheduler) {
  small_host host;
  ramie::channel<int> quiet;
  std::string said;
  small_task& waits = host.add([&] {
    try {
      quiet.receive();
    } catch (const ramie::cancelled&) {
      said += "told";
      throw;
    }
  });
  host.add([&] { waits.self.cancel(nullptr); });
  host.run();
  EXPECT_EQ(said, "told");
  int one = 1;
  EXPECT_FALSE(quiet.try_send(one));
}

}  // namespace
}  // namespace ramie_test
