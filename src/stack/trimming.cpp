#include "stack/trimming.hpp"

#include "os/memory.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace ramie {
namespace {

constexpr trim policies[] = {trim::keep, trim::free, trim::dontneed};

// What RAMIE_TRIM says, or null. Read once; a name that is none of ours is told and changes nothing.
const trim* forced_policy() noexcept {
  static const trim* const forced = []() -> const trim* {
    const char* name = std::getenv("RAMIE_TRIM");
    if (name == nullptr || *name == 0) return nullptr;
    for (const trim& policy : policies) {
      if (std::strcmp(name, name_of(policy)) == 0) return &policy;
    }
    std::fprintf(stderr, "ramie: RAMIE_TRIM=%s is ignored: it may be keep, free or dontneed\n", name);
    return nullptr;
  }();
  return forced;
}

std::atomic<std::size_t> chosen_keep_bytes{stack_trim_options{}.keep_bytes};
std::atomic<trim> chosen_policy{stack_trim_options{}.policy};

}  // namespace

const char* name_of(trim policy) noexcept {
  switch (policy) {
    case trim::keep:
      return "keep";
    case trim::free:
      return "free";
    case trim::dontneed:
      return "dontneed";
  }
  return "?";
}

void set_stack_trim(const stack_trim_options& options) noexcept {
  chosen_keep_bytes.store(options.keep_bytes, std::memory_order_relaxed);
  chosen_policy.store(options.policy, std::memory_order_relaxed);
}

stack_trim_options stack_trim() noexcept {
  const trim* forced = forced_policy();
  return {chosen_keep_bytes.load(std::memory_order_relaxed),
          forced != nullptr ? *forced : chosen_policy.load(std::memory_order_relaxed)};
}

}  // namespace ramie

namespace ramie::stack {

slot* hand_back_some(slot* first, bool only_when_short, std::size_t& count) noexcept {
  constexpr std::size_t most = 512;
  os::range ranges[most];
  std::size_t part = 0;
  for (; first != nullptr && part < most; first = first->next) ranges[part++] = {first->low, first->usable_bytes};
  os::drop_ranges(ranges, part, only_when_short ? os::hand_back::when_short : os::hand_back::now);
  count += part;
  return first;
}

}  // namespace ramie::stack
