// A few hundred random layouts in the mode the machine is in; 10,000 are doctor-fuzz's.
#include "diagnose/fuzz.hpp"

#include "os/proc_machine.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

namespace {

TEST(random_layouts, every_verdict_a_percent_from_the_boundary_is_what_fork_then_does) {
  int mode = ramie::os::read_machine({}).overcommit_mode;
  const char* given = std::getenv("RAMIE_TEST_SEED");
  std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  ramie::test::fuzz_result result = ramie::test::fuzz_forks(300, seed);
  std::cout << result.summary(mode, seed) << std::endl;
  EXPECT_TRUE(result.all_right()) << result.first_wrong;
  if (mode == 0) {
    EXPECT_GT(result.forks_failed, 30U) << "the layouts are too harmless to test anything";
  }
}

}  // namespace
