// The waist with a host of a few lines in place of the scheduler: sync needs no more than park/host.hpp.
#include "park/small_host.hpp"

#include <ramie/channel.hpp>
#include <ramie/mutex.hpp>
#include <ramie/select.hpp>

#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <string>

namespace ramie_test {
namespace {

using namespace ramie::v0;

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
