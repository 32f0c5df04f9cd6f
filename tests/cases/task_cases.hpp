// What the programs of the cases about tasks share: words in the order in which things happened, and a clock that goes
// on only when all wait.
#pragma once

#include <ramie/runtime.hpp>

#include <gtest/gtest.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

namespace cases {

using namespace std::chrono_literals;
using ramie::scope;
using ramie::task;
using ramie::task_state;
namespace this_task = ramie::this_task;

using words = std::vector<std::string>;
using numbers = std::vector<int>;

inline const ramie::runtime_options fake_time = {.clock = ramie::clock_kind::fake};
// Until all others wait. A yield would not do: a slice may end by time.
inline void settle() { this_task::sleep_for(1ms); }

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

}  // namespace cases
