// Generators over C libraries that call back: stopped in the middle by their callback's answer, and unwound where the
// callback has none to give.
#include "generator/generator_world.hpp"

#include <ftw.h>
#include <link.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace generators {
namespace {

class c_callbacks_test : public clean_world {};

ramie::fiber_local<const ramie::pusher<std::string>*> current(nullptr);
bool asks = true;

int on_file(const char* path, const struct stat*, int, FTW*) {
  if (asks) return current.get()->wants_more(path) ? 0 : 1;
  (*current.get())(path);
  return 0;
}
generator<std::string> files(const char* folder) {
  return generator<std::string>([folder](auto& yield) {
    current = &yield;
    nftw(folder, &on_file, 8, FTW_PHYS);
  });
}
long descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

TEST_F(c_callbacks_test, two_walks_go_side_by_side) {
  asks = true;
  generator<std::string> a = files("/proc/self/task"), b = files("/proc/self/task");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(a.next(), b.next());
}

TEST_F(c_callbacks_test, a_walk_that_is_told_to_stop_has_closed_its_directories) {
  asks = true;
  const long before = descriptors();
  for (int i = 0; i < 10; ++i) {
    generator<std::string> g = files("/proc/self");
    for (int k = 0; k < 5; ++k) g.next();
  }
  EXPECT_EQ(descriptors(), before);
}

TEST_F(c_callbacks_test, one_that_is_not_asked_can_be_unwound_and_leaks_what_the_library_had_open) {
  if (cases::under_asan) {
    std::puts("skipped: unwinding nftw() in the middle: the leak checker finds what it has allocated, as it should");
    GTEST_SKIP();
  }
  asks = false;
  const long before = descriptors();
  bool unwound = false;
  struct tell {
    bool& to;
    ~tell() { to = true; }
  };
  {
    generator<std::string> g([&](auto& yield) {
      tell one{unwound};
      current = &yield;
      nftw("/proc/self/task", &on_file, 8, FTW_PHYS);
    });
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(g.next());
  }
  EXPECT_TRUE(unwound);
  EXPECT_GE(descriptors(), before);  // nothing in C closes them: documented
}

int on_object(dl_phdr_info* info, std::size_t, void* yield) {
  return static_cast<const ramie::pusher<std::string>*>(yield)->wants_more(info->dlpi_name) ? 0 : 1;
}

TEST_F(c_callbacks_test, loaded_objects_are_a_range_and_exceptions_work_while_it_waits) {
  generator<std::string> g(
      [](auto& yield) { dl_iterate_phdr(&on_object, const_cast<void*>(static_cast<const void*>(&yield))); });
  EXPECT_TRUE(g.next());
  try {
    throw 1;
  } catch (int) {
  }
  EXPECT_TRUE(g.next());
}

int compare(const void* a, const void* b) {
  const int x = *static_cast<const int*>(a), y = *static_cast<const int*>(b);
  (*current.get())(std::to_string(x) + "?" + std::to_string(y));
  return x - y;
}

// qsort() has no way to be told to stop, and nothing open for so few.
TEST_F(c_callbacks_test, the_comparisons_of_a_sort_are_a_range) {
  std::vector<int> numbers{3, 1, 2};
  {
    generator<std::string> g([&](auto& yield) {
      current = &yield;
      std::qsort(numbers.data(), numbers.size(), sizeof(int), &compare);
    });
    EXPECT_TRUE(g.next());
    EXPECT_TRUE(g.next());
  }
  generator<std::string> g([&](auto& yield) {
    current = &yield;
    std::qsort(numbers.data(), numbers.size(), sizeof(int), &compare);
  });
  EXPECT_GE(collect(g).size(), 2U);
  EXPECT_EQ(numbers, (std::vector{1, 2, 3}));
}

}  // namespace
}  // namespace generators
