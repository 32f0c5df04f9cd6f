// Handles, references and closures: what users try beyond the cases.
#include "cases/world.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace cases {
namespace {

class handle_test : public clean_world {};
class closure_test : public clean_world {};
class reference_test : public clean_world {};

TEST_F(handle_test, a_handle_may_move_while_its_fiber_runs) {
  fiber first, second;
  first = fiber([&] {
    second = std::move(first);
    EXPECT_FALSE(first);
    EXPECT_EQ(second.state(), fiber_state::running);
    this_fiber::suspend();
  });
  fiber& same = first;
  EXPECT_TRUE(same.resume());
  EXPECT_FALSE(first);
  EXPECT_EQ(second.state(), fiber_state::suspended);
  EXPECT_FALSE(second.resume());
}

TEST_F(handle_test, a_vector_of_fibers_may_reallocate_from_inside_one_of_them) {
  std::vector<fiber> fibers;
  fibers.reserve(1);
  fibers.emplace_back([&] {
    for (int i = 0; i < 100; ++i) fibers.emplace_back([] { this_fiber::suspend(); });
    this_fiber::suspend();
  });
  EXPECT_TRUE(fibers.front().resume());
  EXPECT_EQ(fibers.size(), 101u);
  for (auto& f : fibers) f.resume();
  EXPECT_TRUE(fibers.front().done());
  EXPECT_EQ(ramie::resume_each(fibers), 0u);
}

TEST_F(handle_test, swap_and_self_move_keep_the_fiber) {
  std::string log;
  fiber a([&] {
    log += 'a';
    this_fiber::suspend();
    log += 'A';
  });
  fiber b([&] {
    log += 'b';
    this_fiber::suspend();
    log += 'B';
  });
  a.resume();
  std::swap(a, b);
  a.resume();
  EXPECT_EQ(log, "ab");
  fiber& alias = a;
  a = std::move(alias);
  EXPECT_TRUE(a);
  a.resume();
  b.resume();
  EXPECT_EQ(log, "abBA");
}

TEST_F(handle_test, assigning_over_a_suspended_fiber_unwinds_it) {
  std::string log;
  fiber f([&] {
    mark m(log, 'o');
    this_fiber::suspend();
  });
  f.resume();
  f = fiber([&] { log += 'n'; });
  EXPECT_EQ(log, "o");
  f.resume();
  EXPECT_EQ(log, "on");
}

TEST_F(handle_test, an_empty_handle_refuses_to_act_and_answers_questions) {
  fiber empty;
  fiber source([] {});
  fiber moved = std::move(source);
  for (fiber* f : {&empty, &source}) {
    expect_refusal(fiber_errc::no_fiber, [&] { f->resume(); });
    expect_refusal(fiber_errc::no_fiber, [&] { f->transfer(); });
    expect_refusal(fiber_errc::no_fiber, [&] { f->raise(make_error<int>(1)); });
    expect_refusal(fiber_errc::no_fiber, [&] { f->kill(); });
    EXPECT_FALSE(*f);
    EXPECT_TRUE(f->done());
    EXPECT_EQ(f->state(), fiber_state::terminated);
    EXPECT_STREQ(f->name(), "");
    EXPECT_EQ(f->id(), 0u);
    EXPECT_EQ(f->created_at().line, 0u);
    EXPECT_EQ(f->stack().usable_bytes, 0u);
    EXPECT_TRUE(fiber_ref(*f) == fiber_ref());
  }
  EXPECT_TRUE(moved);
}

TEST_F(handle_test, a_fiber_knows_its_name_and_where_it_was_made) {
  fiber f([] {}, {.name = "walker"});
  const unsigned line = __LINE__ - 1;
  EXPECT_STREQ(f.name(), "walker");
  EXPECT_EQ(f.created_at().line, line);
  EXPECT_NE(std::strstr(f.created_at().file, "handle_test.cpp"), nullptr);
  EXPECT_STREQ(fiber_ref(f).name(), "walker");
  EXPECT_EQ(fiber_ref(f).created_at().line, line);
  fiber unnamed([] {});
  EXPECT_STREQ(unnamed.name(), "");
  coroutine<int()> c([](auto&) { return 1; }, {.name = "values"});
  EXPECT_STREQ(c.ref().name(), "values");
  EXPECT_NE(std::strstr(c.ref().created_at().file, "handle_test.cpp"), nullptr);
  f.resume();
  EXPECT_STREQ(f.name(), "walker") << "also after its end";
}

TEST_F(handle_test, ids_are_unique_across_threads_and_never_reused) {
  std::mutex lock;
  std::set<std::uint64_t> ids;
  std::size_t made = 0;
  auto make_some = [&] {
    std::vector<std::uint64_t> mine{this_fiber::ref().id()};
    for (int i = 0; i < 2000; ++i) {
      fiber f([] {});
      mine.push_back(f.id());
      EXPECT_EQ(fiber_ref(f).id(), f.id());
    }
    EXPECT_TRUE(std::is_sorted(mine.begin() + 1, mine.end())) << "they grow within a thread";
    std::lock_guard held(lock);
    made += mine.size();
    ids.insert(mine.begin(), mine.end());
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back(make_some);
  for (auto& t : threads) t.join();
  make_some();
  EXPECT_EQ(ids.size(), made);
  EXPECT_EQ(ids.count(0), 0u);
}

TEST_F(handle_test, resume_each_skips_the_ended_and_the_empty_and_stops_at_a_throw) {
  std::string log;
  std::vector<fiber> fibers(6);
  EXPECT_EQ(ramie::resume_each({}), 0u);
  EXPECT_EQ(ramie::resume_each(fibers), 0u);
  fibers[0] = fiber([&] {
    log += '0';
    this_fiber::suspend();
    log += '0';
    this_fiber::suspend();
    log += '0';
  });
  fibers[2] = fiber([&] { log += '2'; });
  fibers[3] = fiber([&] {
    log += '3';
    this_fiber::suspend();
    throw std::runtime_error("third");
  });
  fibers[5] = fiber([&] {
    log += '5';
    this_fiber::suspend();
    log += '5';
  });
  EXPECT_EQ(ramie::resume_each(fibers), 3u);
  EXPECT_EQ(log, "0235");
  EXPECT_THROW(ramie::resume_each(fibers), std::runtime_error);
  EXPECT_EQ(log, "02350");
  EXPECT_EQ(ramie::resume_each(fibers), 0u);
  EXPECT_EQ(log, "0235005");
}

TEST_F(handle_test, resume_each_refuses_what_resume_refuses) {
  std::vector<fiber> fibers(2);
  fibers[0] = fiber([&] { expect_refusal(fiber_errc::resumes_itself, [&] { ramie::resume_each(fibers); }); });
  EXPECT_EQ(ramie::resume_each(fibers), 0u);
}

TEST_F(reference_test, a_reference_does_everything_that_the_handle_does) {
  std::string log;
  fiber f(
      [&] {
        mark m(log, 'm');
        try {
          this_fiber::suspend();
        } catch (int) {
          log += 'c';
        }
        this_fiber::suspend();
      },
      {.name = "seen"});
  fiber_ref ref = f, same = ref;
  EXPECT_TRUE(ref == same);
  EXPECT_TRUE(ref.resume());
  EXPECT_TRUE(ref.raise(make_error<int>(1)));
  EXPECT_EQ(log, "c");
  EXPECT_GT(ref.stack().in_use_bytes, 0u);
  EXPECT_TRUE(ref.kill());
  EXPECT_EQ(log, "cm");
  EXPECT_FALSE(ref.kill());
  EXPECT_TRUE(ref.done());
}

TEST_F(reference_test, a_stale_reference_never_means_the_fiber_that_has_its_place_now) {
  std::vector<fiber_ref> stale;
  for (int i = 0; i < 50; ++i) {
    fiber f([] { this_fiber::suspend(); }, {.name = "old"});
    f.resume();
    stale.push_back(f);
  }
  std::vector<fiber> now;
  for (int i = 0; i < 50; ++i) {
    now.emplace_back([] { this_fiber::suspend(); });
    now.back().resume();
  }
  for (fiber_ref& ref : stale) {
    EXPECT_TRUE(ref.done());
    EXPECT_EQ(ref.state(), fiber_state::terminated);
    EXPECT_STREQ(ref.name(), "");
    EXPECT_FALSE(ref.kill());
    expect_refusal(fiber_errc::terminated, [&] { ref.resume(); });
    expect_refusal(fiber_errc::terminated, [&] { ref.transfer(); });
    expect_refusal(fiber_errc::terminated, [&] { ref.raise(make_error<int>(1)); });
    expect_refusal(fiber_errc::terminated, [&] { static_cast<void>(ref.stack()); });
    expect_refusal(fiber_errc::terminated, [&] { static_cast<void>(ref.created_at()); });
  }
  for (auto& f : now) EXPECT_EQ(f.state(), fiber_state::suspended);
}

TEST_F(reference_test, an_ended_fiber_answers_while_its_handle_lives) {
  fiber f([] {}, {.name = "ended"});
  fiber_ref ref = f;
  f.resume();
  EXPECT_TRUE(ref.done());
  EXPECT_STREQ(ref.name(), "ended");
  EXPECT_EQ(ref.id(), f.id());
  EXPECT_EQ(ref.stack().usable_bytes, 0u);
  f = fiber();
  EXPECT_STREQ(ref.name(), "");
}

TEST_F(reference_test, the_root_has_a_reference_until_its_thread_ends) {
  fiber_ref gone;
  std::thread([&] {
    gone = this_fiber::ref();
    EXPECT_EQ(gone.state(), fiber_state::running);
    EXPECT_NE(gone.id(), 0u);
    EXPECT_GT(gone.stack().high, gone.stack().low);
  }).join();
  EXPECT_TRUE(gone.done());
  expect_refusal(fiber_errc::terminated, [&] { gone.transfer(); });
}

TEST_F(closure_test, move_only_closures_work) {
  auto owned = std::make_unique<int>(5);
  int got = 0;
  fiber f([owned = std::move(owned), &got] { got = *owned; });
  f.resume();
  EXPECT_EQ(got, 5);
}

TEST_F(closure_test, over_aligned_closures_are_aligned) {
  struct alignas(64) wide {
    std::array<char, 64> bytes{};
  };
  wide w;
  w.bytes[63] = 'w';
  std::uintptr_t place = 1;
  char last = 0;
  fiber f([w, &place, &last] {
    place = reinterpret_cast<std::uintptr_t>(&w);
    last = w.bytes[63];
    alignas(64) char local[64];
    asm volatile("" : : "r"(&local) : "memory");
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&local) % 64, 0u);
    this_fiber::suspend();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&local) % 64, 0u);
  });
  f.resume();
  EXPECT_EQ(place % 64, 0u);
  EXPECT_EQ(last, 'w');
}

TEST_F(closure_test, huge_closures_live_outside_of_the_stack) {
  auto big = std::make_unique<std::array<char, 300'000>>();
  (*big)[299'999] = 'z';
  char got = 0;
  fiber f([big = *big, &got] { got = big[299'999]; }, {.stack_bytes = 16 << 10});
  f.resume();
  EXPECT_EQ(got, 'z');
}

int plain_calls = 0;
void plain_function() { ++plain_calls; }

TEST_F(closure_test, functions_member_pointers_and_closures_without_members_work) {
  plain_calls = 0;
  fiber by_pointer(&plain_function), by_name(plain_function), empty([] { ++plain_calls; });
  by_pointer.resume();
  by_name.resume();
  empty.resume();
  EXPECT_EQ(plain_calls, 3);
  fiber returns_something([] { return std::string("dropped"); });
  EXPECT_FALSE(returns_something.resume());
  struct counter {
    int calls = 0;
    void operator()() & { ++calls; }
  };
  counter named;
  fiber copies(named), refers(std::ref(named));
  copies.resume();
  EXPECT_EQ(named.calls, 0);
  refers.resume();
  EXPECT_EQ(named.calls, 1);
}

template <std::size_t Bytes>
struct throwing_copy {
  static inline int living = 0;
  std::array<char, Bytes> bytes{};
  bool armed = false;
  throwing_copy() { ++living; }
  throwing_copy(const throwing_copy& other) : armed(other.armed) {
    if (armed) throw std::runtime_error("no copies");
    ++living;
  }
  throwing_copy& operator=(const throwing_copy&) = default;
  ~throwing_copy() { --living; }
  void operator()() const {}
};

TEST_F(closure_test, an_exception_of_the_closures_copy_makes_no_fiber_and_leaks_nothing) {
  auto check = []<std::size_t Bytes>(std::integral_constant<std::size_t, Bytes>) {
    using closure = throwing_copy<Bytes>;
    {
      closure one;
      one.armed = true;
      for (int i = 0; i < 100; ++i) EXPECT_THROW(fiber{one}, std::runtime_error);
      one.armed = false;
      fiber works(one);
      EXPECT_FALSE(works.resume());
      EXPECT_EQ(closure::living, 1) << "destroyed at its end, before the handle";
    }
    EXPECT_EQ(closure::living, 0);
  };
  check(std::integral_constant<std::size_t, 8>());
  check(std::integral_constant<std::size_t, 500>());
}

TEST_F(closure_test, a_closure_is_destroyed_once_in_every_way_to_end) {
  auto held = std::make_shared<int>(0);
  auto expect_released = [&](const char* how) { EXPECT_EQ(held.use_count(), 1) << how; };
  {
    fiber f([held] {});
  }
  expect_released("never started");
  {
    fiber f([held] {});
    f.resume();
    EXPECT_EQ(held.use_count(), 1) << "at its end, not at the handle's";
  }
  expect_released("ended");
  {
    fiber f([held] { throw 1; });
    EXPECT_THROW(f.resume(), int);
  }
  expect_released("threw");
  {
    fiber f([held] { this_fiber::suspend(); });
    f.resume();
  }
  expect_released("destroyed while suspended");
  {
    fiber f([held] { this_fiber::suspend(); });
    f.resume();
    f.kill();
    EXPECT_EQ(held.use_count(), 1);
  }
  expect_released("killed");
  {
    fiber f([held] {});
    f.kill();
  }
  expect_released("killed before its start");
}

TEST_F(closure_test, a_closures_copy_may_itself_make_and_run_fibers) {
  struct makes_fibers {
    int* count;
    explicit makes_fibers(int* c) : count(c) {}
    makes_fibers(const makes_fibers& other) : count(other.count) {
      fiber f([this] { ++*count; });
      f.resume();
    }
    makes_fibers& operator=(const makes_fibers&) = default;
    ~makes_fibers() {
      fiber f([this] { ++*count; });
      f.resume();
    }
    void operator()() const { this_fiber::suspend(); }
  };
  int count = 0;
  {
    makes_fibers one(&count);
    fiber f(one);
    f.resume();
    EXPECT_EQ(count, 1);
  }
  EXPECT_EQ(count, 3);
}

}  // namespace
}  // namespace cases
