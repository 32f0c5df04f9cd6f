// When memory ends: a typed error that says what to do, and a heap that goes on.
#include "heap/heap_world.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace ramie::test {
namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

class heap_limits : public heap_world {
 protected:
  heap_limits() : heap_world({.reserve_bytes = 64 * mib, .limit_bytes = 8 * mib}) {}
  // A list as long as memory allows.
  root<node> fill() {
    root<node> list;
    try {
      for (;;) {
        root<node> next = h.make<node>();
        next->left = list;
        list = std::move(next);
      }
    } catch (const heap_full& full) {
      last_error = full.what();
      EXPECT_EQ(full.limit_bytes, 8 * mib);
      EXPECT_EQ(full.used_bytes, 8 * mib);
      EXPECT_EQ(full.code(), std::errc::not_enough_memory);
    }
    return list;
  }
  std::string last_error;
};

TEST_F(heap_limits, a_full_heap_says_the_limit_and_the_cure_and_goes_on_when_something_is_let_go) {
  for (int round = 0; round < 3; ++round) {
    root<node> list = fill();
    EXPECT_NE(last_error.find("limit_bytes 8388608"), std::string::npos) << last_error;
    EXPECT_NE(last_error.find("raise the limit"), std::string::npos);
    const std::uint64_t length = list_length(list);
    EXPECT_GT(length, 200'000u);
    EXPECT_TRUE(faults().empty()) << faults();
    EXPECT_THROW(static_cast<void>(h.make<node>()), heap_full);
    EXPECT_EQ(list_length(list), length);
    list->left = list->left->left;
    static_cast<void>(h.make<node>());
  }
}

TEST_F(heap_limits, every_hole_is_used_before_memory_is_refused) {
  std::vector<root<node>> kept;
  try {
    for (;;) {
      root<node> one = h.make<node>();
      if (kept.size() % 16 != 1) {
        kept.push_back(std::move(one));
      } else {
        kept.push_back(h.make<node>());  // and `one` is a hole from now on
      }
    }
  } catch (const heap_full&) {
  }
  EXPECT_EQ(stats().used_bytes, 8 * mib);
  EXPECT_EQ(kept.size(), 8 * mib / 32);
}

TEST_F(heap_limits, objects_beyond_limit_reservation_and_reason_are_refused_and_leave_nothing) {
  EXPECT_THROW(static_cast<void>(h.make<sized<9 * mib>>()), heap_full);
  EXPECT_THROW(static_cast<void>(h.make_with_tail<leaf>(100 * mib)), heap_full);
  EXPECT_THROW(static_cast<void>(h.make_with_tail<leaf>(~std::size_t{0})), heap_full);
  EXPECT_THROW(static_cast<void>(h.make_with_tail<leaf>(~std::size_t{0} - 100)), heap_full);
  EXPECT_EQ(stats().live_objects, 0u);
  root<sized<7 * mib>> fits = h.make<sized<7 * mib>>();
  EXPECT_THROW(static_cast<void>(h.make<sized<7 * mib>>()), heap_full);
  fits.reset();
  fits = h.make<sized<7 * mib>>();
}

TEST_F(heap_limits, destructors_run_before_memory_is_refused) {
  int destroyed = 0;
  for (int at = 0; at < 20'000; ++at) {
    root<holder> dying = h.make<holder>(&destroyed);
    dying->held.push_back(h.make<node>());
    static_cast<void>(h.make_with_tail<leaf>(2000));
  }
  EXPECT_GT(destroyed, 10'000);
}

TEST_F(heap_limits, a_frozen_heap_at_its_limit_is_full_until_the_thaw) {
  root<node> list = fill();
  h.freeze();
  list.reset();
  EXPECT_THROW(static_cast<void>(h.make<node>()), heap_full);
  h.thaw();
  static_cast<void>(h.make<node>());
}

TEST_F(heap_limits, a_mark_stack_that_is_full_costs_time_and_no_object) {
  heap small({.mark_stack_bytes = 64 << 10, .collect_automatically = false});
  root<holder> top;
  int destroyed = 0;
  {
    // 50,000 refs in one object, each to a list: six times what the stack holds.
    root<holder> made = small.make<holder>(&destroyed);
    for (int at = 0; at < 50'000; ++at) made->held.push_back(make_list(small, 3));
    top = made;
  }
  for (int at = 0; at < 1000; ++at) static_cast<void>(small.make<node>());
  small.collect();
  EXPECT_GT(small.statistics().last.mark_stack_overflows, 0u);
  EXPECT_EQ(small.statistics().live_objects, 150'001u);
  for (ref<node> each : top->held) EXPECT_EQ(list_length(each), 3u);
  EXPECT_TRUE(small.verify().empty());
  small.freeze();
  small.collect();
  EXPECT_EQ(small.statistics().live_objects, 150'001u);
}

TEST_F(heap_limits, options_that_contradict_each_other_are_refused) {
  for (const heap_options& bad :
       {heap_options{.reserve_bytes = 1000}, heap_options{.reserve_bytes = std::size_t{1} << 40},
        heap_options{.reserve_bytes = 4 * mib, .limit_bytes = 5 * mib}, heap_options{.reuse_percent = 101}}) {
    try {
      heap refused(bad);
      ADD_FAILURE();
    } catch (const heap_error& error) {
      EXPECT_EQ(error.code(), heap_errc::bad_options);
    }
  }
}

// In a child, because the limit cannot be taken back.
TEST_F(heap_limits, under_a_small_address_space_a_heap_is_smaller_and_works) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  std::printf("skipped: RLIMIT_AS: a sanitizer needs the address space itself\n");
  GTEST_SKIP();
#endif
  EXPECT_EQ(in_child([] {
              const rlimit small{6 * 1024 * mib, 6 * 1024 * mib};
              if (setrlimit(RLIMIT_AS, &small) != 0) return 1;
              heap tight;
              if (tight.statistics().limit_bytes >= std::size_t{16} << 30) return 2;
              root<node> list = make_list(tight, 100'000);
              tight.collect();
              return list_length(list) == 100'000 ? 0 : 3;
            }),
            0);
}

TEST_F(heap_limits, where_not_even_a_little_address_space_is_left_the_error_names_the_call) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP();
#endif
  EXPECT_EQ(in_child([] {
              const rlimit none{1, 1};
              if (setrlimit(RLIMIT_AS, &none) != 0) return 1;
              try {
                heap impossible;
              } catch (const heap_full& full) {
                return std::strstr(full.what(), "mmap") != nullptr && std::strstr(full.what(), "ulimit") != nullptr ? 0
                                                                                                                    : 3;
              }
              return 2;
            }),
            0);
}

}  // namespace
}  // namespace ramie::test
