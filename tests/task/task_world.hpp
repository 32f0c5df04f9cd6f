// Shared by the tests of tasks: words in the order in which things happened, and a fixture that finds what was left.
#pragma once

#include <ramie/runtime.hpp>

#include <gtest/gtest.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

namespace ramie_test {

using namespace std::chrono_literals;

using words = std::vector<std::string>;

class task_world : public testing::Test {
 protected:
  void say(std::string word) { said.push_back(std::move(word)); }
  words said;
  // Counts what lives on the stacks of tasks: none may be left when a test ends.
  struct resident {
    explicit resident(int& count) : count_(&count) { ++count; }
    resident(const resident& other) : count_(other.count_) { ++*count_; }
    resident& operator=(const resident&) = delete;
    ~resident() { --*count_; }

   private:
    int* count_;
  };
  int residents = 0;
  void TearDown() override { EXPECT_EQ(residents, 0) << "something on a task's stack was not destroyed"; }
};

inline const ramie::runtime_options fake_time = {.clock = ramie::clock_kind::fake};

inline std::exception_ptr error_named(const char* text) { return std::make_exception_ptr(std::runtime_error(text)); }
inline std::string text_of(const std::exception_ptr& error) {
  if (error == nullptr) return "none";
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "?";
  }
}

// Under a fake clock: until all others wait. A yield would not do: a slice may end by time.
inline void settle() { ramie::this_task::sleep_for(1ms); }

}  // namespace ramie_test
