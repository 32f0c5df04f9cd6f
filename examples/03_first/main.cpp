// The first element of something that only knows how to call back, three ways.
#include <ramie/generator.hpp>

#include <cstdio>
#include <stdexcept>
#include <string>

namespace {

// A collection as libraries have them: it iterates, we are called.
struct active_users {
  using value_type = std::string;
  int count = 3;
  template <class Callback>
  void each(Callback&& callback) const {
    for (int i = 1; i <= count; ++i) callback("user" + std::to_string(i));
  }
};

}  // namespace

int main() {
  const active_users users;
  // Internal iteration, stopped at the first: no fiber. What you want when one value is all you want.
  std::printf("first: %s\n", ramie::first(users).c_str());
  try {
    ramie::first(active_users{0});
  } catch (const std::invalid_argument& empty) {
    std::printf("%s\n", empty.what());
  }
  // External iteration: a fiber, given back when the generator goes. What you want when values are pulled one by one.
  const auto before = ramie::count_stacks();
  for (int i = 0; i < 100000; ++i) {
    ramie::generator<std::string> each_user(users);
    if (each_user.next() != "user1") return 1;
  }
  const auto after = ramie::count_stacks();
  std::printf("100000 generators asked once and dropped: %llu stacks in use, all of them %s\n",
              static_cast<unsigned long long>(after.in_use - before.in_use),
              after.opened <= before.opened + 64 ? "on one stack" : "on new stacks");
  return after.in_use == before.in_use ? 0 : 1;
}
