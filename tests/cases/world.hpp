// What the programs of the behaviour cases share: a fixture that fails on what a test leaves behind, the expectation
// of a refusal by its code, and what a sanitizer's build cannot do.
#pragma once

#include <ramie/coroutine.hpp>
#include <ramie/fiber.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <exception>
#include <string>
#include <utility>

namespace cases {

using ramie::coroutine;
using ramie::fiber;
using ramie::fiber_errc;
using ramie::fiber_options;
using ramie::fiber_ref;
using ramie::fiber_state;
namespace this_fiber = ramie::this_fiber;

#if defined(RAMIE_ASAN)
inline constexpr bool under_asan = true;
#else
inline constexpr bool under_asan = false;
#endif
#if defined(RAMIE_TSAN)
inline constexpr bool under_tsan = true;
#else
inline constexpr bool under_tsan = false;
#endif
inline constexpr bool sanitized = under_asan || under_tsan;

// ThreadSanitizer keeps a few hundred KiB for each living fiber.
inline constexpr int many(int wanted) { return under_tsan && wanted > 400 ? 400 : wanted; }

// A world is clean when no stack is in use, no exception in flight, and nobody but the root runs.
class clean_world : public testing::Test {
 protected:
  void SetUp() override {
    stacks_before_ = ramie::count_stacks().in_use;
    root_ = this_fiber::ref();
  }
  void TearDown() override {
    EXPECT_EQ(ramie::count_stacks().in_use, stacks_before_) << "a fiber was left behind";
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    EXPECT_EQ(std::current_exception(), nullptr);
    EXPECT_TRUE(this_fiber::ref() == root_) << "the test ended in another fiber than it began in";
    EXPECT_EQ(root_.state(), fiber_state::running);
  }
  std::uint64_t stacks_before_ = 0;
  fiber_ref root_;
};

// `f` throws fiber_error with this code.
template <class F>
void expect_refusal(fiber_errc code, F&& f) {
  try {
    std::forward<F>(f)();
    ADD_FAILURE() << "nothing was thrown, expected " << ramie::make_error_code(code).message();
  } catch (const ramie::fiber_error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
  }
}

// Appends its letter when it is destroyed.
class mark {
 public:
  mark(std::string& log, char letter) noexcept : log_(&log), letter_(letter) {}
  mark(const mark&) = delete;
  mark& operator=(const mark&) = delete;
  ~mark() { *log_ += letter_; }

 private:
  std::string* log_;
  char letter_;
};

template <class E, class... Arguments>
std::exception_ptr make_error(Arguments&&... arguments) {
  return std::make_exception_ptr(E(std::forward<Arguments>(arguments)...));
}

}  // namespace cases
