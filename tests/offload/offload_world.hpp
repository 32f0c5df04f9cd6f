// Shared by the tests of offload: a gate that functions on other threads stand before, and pools that must end empty.
#pragma once

#include "task/task_world.hpp"

#include <ramie/event.hpp>
#include <ramie/offload.hpp>

#include <atomic>
#include <stdexcept>
#include <thread>

namespace ramie_test {

class offload_world : public task_world {
 protected:
  ramie::offload_pool pool{{.threads = 2, .queue_limit = 3, .name = "test"}};
  // Until so many calls are on a thread. For tasks.
  void wait_for_running(std::size_t count) const {
    while (pool.statistics().running != count) ramie::this_task::sleep_for(100us);
  }
  void wait_for_queued(std::size_t count) const {
    while (pool.statistics().queued != count) ramie::this_task::sleep_for(100us);
  }
  void TearDown() override {
    const auto left = pool.statistics();
    EXPECT_EQ(left.running + left.queued, 0U);
    task_world::TearDown();
  }
};

}  // namespace ramie_test
