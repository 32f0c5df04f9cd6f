// What is refused or ends the process, in words.
#include "context/shadow_stack.hpp"
#include "fiber/shadow_stack.hpp"

#include <ramie/fiber.hpp>

#include <gtest/gtest.h>

#include <string>

namespace {

using ramie::fiber;
namespace this_fiber = ramie::this_fiber;

// No processor here has one, so what the processor would say is given: both the answer of this one and the other.
TEST(refusal_test, a_thread_with_a_shadow_stack_is_refused_with_the_words_that_cure_it) {
  if (ramie::context::shadow_stack_is_active()) GTEST_SKIP() << "this very thread has one";
  EXPECT_NO_THROW(ramie::control::refuse_shadow_stack(false));
  try {
    ramie::control::refuse_shadow_stack(true);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const ramie::stack_error& error) {
    EXPECT_EQ(error.limit(), ramie::stack_limit::shadow_stack);
    EXPECT_EQ(error.code(), std::errc::not_supported);
    EXPECT_NE(std::string(error.what()).find("checks its returns"), std::string::npos) << error.what();
    EXPECT_NE(error.cure().find("GLIBC_TUNABLES="), std::string::npos) << error.cure();
  }
}

// A real one cannot be had everywhere; where it can, the words come before the crash.
TEST(refusal_test, the_first_fiber_of_a_thread_with_a_shadow_stack_is_where_it_is_told) {
  if (!ramie::context::shadow_stack_is_active()) {
    std::puts("skipped: a real shadow stack: neither this processor nor its kernel has one in use");
    GTEST_SKIP();
  }
  EXPECT_THROW(fiber f([] {}), ramie::stack_error);
}

[[gnu::noinline]] void parks_and_lets_nothing_out() noexcept {
  this_fiber::suspend();
  asm volatile("");
}

[[gnu::noinline]] void throws() { throw 7; }

TEST(refusal_death_test, a_fiber_killed_in_a_noexcept_function_is_named_before_the_process_ends) {
  EXPECT_DEATH(
      {
        fiber f([] { parks_and_lets_nothing_out(); }, {.name = "stubborn"});
        f.resume();
        f.kill();
      },
      "std::terminate while fiber 'stubborn' .* was killed: it was parked in(.|\n)*a noexcept function or a "
      "destructor(.|\n)* 0  .*(.|\n)*resume such a fiber until");
}

TEST(refusal_death_test, a_fiber_dropped_in_a_destructor_is_named_before_the_process_ends) {
  struct suspends {
    ~suspends() { this_fiber::suspend(); }
  };
  EXPECT_DEATH(
      {
        fiber f([] { suspends s; }, {.name = "leaver"});
        f.resume();
      },
      "std::terminate while fiber 'leaver' .* was killed");
}

TEST(refusal_death_test, a_terminate_without_a_kill_says_nothing_of_fibers) {
  EXPECT_DEATH(
      {
        {
          fiber killed([] { this_fiber::suspend(); });
          killed.resume();
        }
        fiber f([]() noexcept { throws(); });
        f.resume();
      },
      "^terminate called after throwing");
}

}  // namespace
