#include "backtrace/collect.hpp"

#include "backtrace/stepper.hpp"
#include "chain.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <random>
#include <string>
#include <vector>

namespace ramie::backtrace {
namespace {

std::uintptr_t number_of(const void* address) { return reinterpret_cast<std::uintptr_t>(address); }

// A stack with an inaccessible page at either end, so that reading one byte outside ends the program.
class fenced_stack {
 public:
  explicit fenced_stack(std::size_t bytes) : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))), bytes_(bytes) {
    memory_ = static_cast<char*>(mmap(nullptr, bytes_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_EQ(mprotect(low(), bytes_, PROT_READ | PROT_WRITE), 0);
  }
  fenced_stack(const fenced_stack&) = delete;
  fenced_stack& operator=(const fenced_stack&) = delete;
  ~fenced_stack() { munmap(memory_, bytes_ + 2 * page_); }

  char* low() const { return memory_ + page_; }
  std::size_t bytes() const { return bytes_; }
  stack_bounds bounds() const { return {number_of(low()), number_of(low()) + bytes_}; }

 private:
  std::size_t page_;
  std::size_t bytes_;
  char* memory_ = nullptr;
};

// The thread's stack with what it may grow by: the frames to come lie below this one.
stack_bounds my_stack() {
  stack_bounds bounds = stack_around(number_of(__builtin_frame_address(0)));
  bounds.low -= 64 << 10;
  return bounds;
}

void print(const trace& found) {
  for (std::size_t at = 0; at < found.newest_count(); ++at)
    std::cout << "  " << at << " pc " << std::hex << found.newest(at).pc << " function " << found.newest(at).function
              << std::dec << '\n';
  std::cout << "  ended: " << describe(found.ended()) << '\n';
}

bool is_in(const frame& found, const void* function, bool has_tables) {
  if (has_tables) return found.function == number_of(function);
  return found.function == 0 && found.pc > number_of(function) && found.pc < number_of(function) + 512;
}

// True when the trace holds the chain's functions one after the other from `begin` on.
bool shows_chain(const trace& found, std::size_t begin, const chain::variant& how) {
  if (begin + 4 >= found.newest_count()) return false;
  for (std::size_t at = 0; at < 4; ++at)
    if (!is_in(found.newest(begin + at), how.functions[at], how.has_tables)) return false;
  return true;
}

class each_chain : public testing::TestWithParam<const chain::variant*> {};

[[gnu::noinline]] void collect_from_here(void* into) { *static_cast<trace*>(into) = collect_here(my_stack()); }

TEST_P(each_chain, is_walked_from_here_to_the_bottom) {
  trace found;
  GetParam()->run(collect_from_here, &found);
  ASSERT_GT(found.newest_count(), 5U);
  EXPECT_EQ(found.newest(0).function, number_of(reinterpret_cast<const void*>(collect_from_here)));
  if (!shows_chain(found, 1, *GetParam())) {
    print(found);
    ADD_FAILURE() << GetParam()->name;
  }
  EXPECT_EQ(found.ended(), ending::bottom);
}

// The handlers note what they see and jump out.
struct caught_signal {
  trace found;
  stack_bounds bounds;
  sigjmp_buf back;
};
caught_signal* caught = nullptr;

void note(int, siginfo_t*, void* context) {
  caught->found = collect_interrupted(*static_cast<ucontext_t*>(context), caught->bounds);
  siglongjmp(caught->back, 1);
}

// What the header promises to be enough; sanitized code needs more.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t alternate_stack_bytes = 256 << 10;
#else
constexpr std::size_t alternate_stack_bytes = 16 << 10;
#endif

class handler {
 public:
  explicit handler(std::initializer_list<int> signals) : signals_(signals), memory_(alternate_stack_bytes) {
    const stack_t alternate = {.ss_sp = memory_.low(), .ss_flags = 0, .ss_size = memory_.bytes()};
    sigaltstack(&alternate, &alternate_before_);
    struct sigaction action = {};
    action.sa_sigaction = note;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int number : signals_) sigaction(number, &action, &before_[static_cast<std::size_t>(number)]);
  }
  handler(const handler&) = delete;
  handler& operator=(const handler&) = delete;
  ~handler() {
    for (int number : signals_) sigaction(number, &before_[static_cast<std::size_t>(number)], nullptr);
    sigaltstack(&alternate_before_, nullptr);
    caught = nullptr;
  }

 private:
  std::vector<int> signals_;
  fenced_stack memory_;
  stack_t alternate_before_ = {};
  std::array<struct sigaction, 65> before_ = {};
};

[[gnu::noinline]] void write_to_nowhere(void*) {
  volatile char* nowhere = nullptr;
  asm volatile("" : "+r"(nowhere));
  *nowhere = 1;
}

TEST_P(each_chain, is_walked_from_a_faulting_instruction) {
  const handler installed({SIGSEGV});
  caught_signal here;
  here.bounds = my_stack();
  caught = &here;
  if (sigsetjmp(here.back, 1) == 0) GetParam()->run(write_to_nowhere, nullptr);
  ASSERT_GT(here.found.newest_count(), 5U);
  EXPECT_TRUE(here.found.newest(0).exact);
  EXPECT_EQ(here.found.newest(0).function, number_of(reinterpret_cast<const void*>(write_to_nowhere)));
  EXPECT_FALSE(here.found.newest(1).exact);
  EXPECT_TRUE(shows_chain(here.found, 1, *GetParam()));
  EXPECT_EQ(here.found.ended(), ending::bottom);
}

TEST_P(each_chain, is_walked_from_a_call_to_nowhere) {
  const handler installed({SIGSEGV});
  caught_signal here;
  here.bounds = my_stack();
  caught = &here;
  if (sigsetjmp(here.back, 1) == 0) GetParam()->run(nullptr, nullptr);
  ASSERT_GT(here.found.newest_count(), 5U);
  EXPECT_EQ(here.found.newest(0).pc, 0U);
  EXPECT_TRUE(shows_chain(here.found, 1, *GetParam()));
}

[[gnu::noinline]] void raise_a_signal(void*) {
  raise(SIGUSR1);
  asm volatile("");
}

TEST_P(each_chain, is_walked_from_a_signal_in_a_library) {
  const handler installed({SIGUSR1});
  caught_signal here;
  here.bounds = my_stack();
  caught = &here;
  if (sigsetjmp(here.back, 1) == 0) GetParam()->run(raise_a_signal, nullptr);
  bool shown = false;
  for (std::size_t at = 0; at < here.found.newest_count(); ++at) shown |= shows_chain(here.found, at, *GetParam());
  EXPECT_TRUE(shown);
  EXPECT_EQ(here.found.ended(), ending::bottom);
}

// Every instruction of the chain, its prologues and epilogues too: the walk must be right wherever a signal comes.
struct single_steps {
  stack_bounds bounds;
  const chain::variant* how = nullptr;
  std::uintptr_t outer_caller = 0;  // who must be found behind the chain
  long steps = 0;
  long wrong = 0;
  trace first_wrong;
};
#if defined(__x86_64__)
single_steps* stepping = nullptr;

void check_step(int, siginfo_t*, void* context) {
  auto& state = *static_cast<ucontext_t*>(context);
  const trace found = collect_interrupted(state, stepping->bounds);
  ++stepping->steps;
  bool reached = false;
  for (std::size_t at = 0; at < found.newest_count(); ++at)
    reached |= found.newest(at).function == stepping->outer_caller;
  if (reached && found.ended() == ending::bottom) return;
  if (stepping->wrong++ == 0) stepping->first_wrong = found;
}

void set_trap_flag(bool on) {
  if (on)
    asm volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
  else
    asm volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

void do_nothing(void*) {}

[[gnu::noinline]] void run_stepwise(const chain::variant& how) {
  set_trap_flag(true);
  how.run(do_nothing, nullptr);
  how.recurse(do_nothing, nullptr, 3);
  set_trap_flag(false);
}

TEST_P(each_chain, is_walked_from_each_of_its_instructions) {
  if (!GetParam()->has_tables) GTEST_SKIP();  // only tables describe prologues
  single_steps state;
  state.bounds = my_stack();
  state.how = GetParam();
  state.outer_caller = number_of(reinterpret_cast<const void*>(run_stepwise));
  stepping = &state;
  struct sigaction action = {};
  struct sigaction before;
  action.sa_sigaction = check_step;
  action.sa_flags = SA_SIGINFO;
  ASSERT_EQ(sigaction(SIGTRAP, &action, &before), 0);
  run_stepwise(*GetParam());
  ASSERT_EQ(sigaction(SIGTRAP, &before, nullptr), 0);
  EXPECT_GT(state.steps, 50);
  // Without optimization g++ describes the last two instructions of a function that realigns its stack wrongly: rbp is
  // the caller's again, but the table still finds it through rbp.
  const long wrong_tables = GetParam()->name == std::string("gxx_o0") ? 2 : 0;
  EXPECT_LE(state.wrong, wrong_tables);
  if (state.wrong > wrong_tables) print(state.first_wrong);
}
#endif

// A stack that parks in the middle of the chain by swapcontext.
struct parked_chain {
  const chain::variant* how;
  ucontext_t owner;
  ucontext_t inside;
};

void park(void* argument) {
  auto& parked = *static_cast<parked_chain*>(argument);
  swapcontext(&parked.inside, &parked.owner);
  asm volatile("");
}

void parked_body(unsigned high, unsigned low) {
  auto* parked = reinterpret_cast<parked_chain*>((static_cast<std::uintptr_t>(high) << 32) | low);
  parked->how->run(park, parked);
  asm volatile("");  // so that the call is not its last act
}

#if defined(__x86_64__)
resume_point point_of(const ucontext_t& context) {
  const auto& registers = context.uc_mcontext.gregs;
  return {static_cast<std::uintptr_t>(registers[REG_RIP]), static_cast<std::uintptr_t>(registers[REG_RSP]),
          static_cast<std::uintptr_t>(registers[REG_RBP])};
}
#else
resume_point point_of(const ucontext_t& context) {
  // glibc's swapcontext goes on inside itself, and keeps where it returns to in x1.
  return {context.uc_mcontext.regs[1], context.uc_mcontext.sp, context.uc_mcontext.regs[29]};
}
#endif

TEST_P(each_chain, is_walked_where_it_is_parked) {
  const fenced_stack memory(64 << 10);
  parked_chain parked = {.how = GetParam(), .owner = {}, .inside = {}};
  getcontext(&parked.inside);
  parked.inside.uc_stack.ss_sp = memory.low();
  parked.inside.uc_stack.ss_size = memory.bytes();
  parked.inside.uc_link = &parked.owner;
  const std::uintptr_t self = number_of(&parked);
  makecontext(&parked.inside, reinterpret_cast<void (*)()>(parked_body), 2, static_cast<unsigned>(self >> 32),
              static_cast<unsigned>(self));
  swapcontext(&parked.owner, &parked.inside);
  const trace found = collect_parked(point_of(parked.inside), memory.bounds());
  ASSERT_GT(found.newest_count(), 5U);
  EXPECT_EQ(found.newest(0).function, number_of(reinterpret_cast<const void*>(park)));
  EXPECT_TRUE(shows_chain(found, 1, *GetParam()));
  EXPECT_EQ(found.newest(5).function, number_of(reinterpret_cast<const void*>(parked_body)));
  swapcontext(&parked.owner, &parked.inside);
}

struct overflow {
  const chain::variant* how;
  ucontext_t owner;
};
void recurse_until_the_end(void*) {}
void overflow_body(unsigned high, unsigned low) {
  auto* here = reinterpret_cast<overflow*>((static_cast<std::uintptr_t>(high) << 32) | low);
  here->how->recurse(recurse_until_the_end, nullptr, 1 << 30);
  asm volatile("");
}

TEST_P(each_chain, is_counted_where_its_recursion_overflows_the_stack) {
  const handler installed({SIGSEGV});
  const fenced_stack memory(1 << 20);
  overflow inside = {.how = GetParam(), .owner = {}};
  caught_signal here;
  here.bounds = memory.bounds();
  caught = &here;
  ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = memory.low();
  context.uc_stack.ss_size = memory.bytes();
  context.uc_link = &inside.owner;
  const std::uintptr_t self = number_of(&inside);
  makecontext(&context, reinterpret_cast<void (*)()>(overflow_body), 2, static_cast<unsigned>(self >> 32),
              static_cast<unsigned>(self));
  if (sigsetjmp(here.back, 1) == 0) swapcontext(&inside.owner, &context);
  const trace& found = here.found;
  EXPECT_GT(found.total(), 5'000U);
  EXPECT_EQ(found.newest_count(), trace::newest_limit);
  EXPECT_EQ(found.oldest_count(), trace::oldest_limit);
  EXPECT_EQ(found.between(), found.total() - trace::newest_limit - trace::oldest_limit);
  bool body_found = false;
  for (std::size_t at = 0; at < found.oldest_count(); ++at)
    body_found |= found.oldest(at).function == number_of(reinterpret_cast<const void*>(overflow_body));
  EXPECT_TRUE(body_found);
  EXPECT_TRUE(found.between_functions().complete());
  if (GetParam()->has_tables) {
    EXPECT_EQ(found.between_functions().size(), 2U);
    EXPECT_TRUE(found.between_functions().holds(number_of(GetParam()->recursion[0])));
    EXPECT_TRUE(found.between_functions().holds(number_of(GetParam()->recursion[1])));
  }
}

std::vector<const chain::variant*> all_variants() {
  std::size_t count = 0;
  const chain::variant* const* all = chain::variants(count);
  return {all, all + count};
}

INSTANTIATE_TEST_SUITE_P(compiled_as, each_chain, testing::ValuesIn(all_variants()),
                         [](const auto& named) { return named.param->name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(each_chain);

TEST(collect, ends_at_the_limit) {
  const trace found = collect_here(my_stack(), 2);
  EXPECT_EQ(found.total(), 2U);
  EXPECT_EQ(found.ended(), ending::full);
}

TEST(collect, keeps_errno) {
  errno = 77;
  collect_here(my_stack());
  EXPECT_EQ(errno, 77);
}

TEST(collect, of_a_stack_without_bounds_reads_nothing) {
  const trace found = collect_parked({.pc = 0x1234, .sp = 16, .fp = 16}, {});
  EXPECT_EQ(found.total(), 1U);
  EXPECT_EQ(found.newest(0).pc, 0x1234U);
  EXPECT_EQ(found.ended(), ending::no_caller);
}

std::uint64_t seed() {
  const char* given = std::getenv("RAMIE_TEST_SEED");
  const std::uint64_t chosen = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::cout << "RAMIE_TEST_SEED=" << chosen << '\n';
  return chosen;
}

// Garbage on the stack, also garbage that looks like frames: the walk must end and never leave the fences.
TEST(collect, of_a_destroyed_stack_stays_inside_its_bounds) {
  std::mt19937_64 random(seed());
  const fenced_stack memory(16 << 10);
  const stack_bounds bounds = memory.bounds();
  const auto words = reinterpret_cast<std::uintptr_t*>(memory.low());
  const std::size_t count = memory.bytes() / sizeof *words;
  std::vector<std::uintptr_t> code;
  for (const chain::variant* each : all_variants())
    for (const void* function : each->functions) code.push_back(number_of(function));
  code.push_back(number_of(reinterpret_cast<const void*>(&std::strlen)));
  code.push_back(number_of(reinterpret_cast<const void*>(&std::qsort)));
  const auto any_address = [&] {
    switch (random() % 5) {
      case 0:
        return bounds.low + random() % memory.bytes();
      case 1:
        return bounds.low + random() % memory.bytes() / 8 * 8;
      case 2:
        return code[random() % code.size()] + random() % 64;
      case 3:
        return bounds.high - random() % 32;
      default:
        return static_cast<std::uintptr_t>(random());
    }
  };
  for (int round = 0; round < 20'000; ++round) {
    if (round % 100 == 0)
      for (std::size_t at = 0; at < count; ++at) words[at] = any_address();
    const trace parked = collect_parked({any_address(), any_address(), any_address()}, bounds);
    EXPECT_LE(parked.total(), count + 1);
    machine_state state;
    state.pc = any_address();
    for (std::size_t at = 0; at < register_count; ++at) state.registers.set(at, any_address());
    stepper interrupted(state, bounds);
    ending reason = ending::full;
    std::size_t steps = 0;
    while (interrupted.step(reason)) ASSERT_LE(++steps, count + 1);
  }
}

}  // namespace
}  // namespace ramie::backtrace
