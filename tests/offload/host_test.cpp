// The waist with a host of a few lines in place of the scheduler: offload needs no more than park/host.hpp.
#include "park/small_host.hpp"

#include <ramie/offload.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>

namespace ramie_test {
namespace {

using namespace ramie::v0;
namespace os = ramie::os;

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
