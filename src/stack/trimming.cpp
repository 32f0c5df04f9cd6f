#include "stack/trimming.hpp"

#include "os/memory.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace ramie {
namespace {

constexpr trim policies[] = {trim::keep, trim::free, trim::dontneed};

// RAMIE_TRIM: not read yet, asks for nothing, or for policies[environment - 2].
enum : std::size_t { not_read, asks_nothing, first_policy };
constinit std::atomic<std::size_t> environment = not_read;

std::size_t policy_named(const char* name) noexcept {
  if (name == nullptr || *name == 0) return asks_nothing;
  for (std::size_t i = 0; i < std::size(policies); ++i) {
    if (std::strcmp(name, name_of(policies[i])) == 0) return first_policy + i;
  }
  return asks_nothing;
}

// What RAMIE_TRIM says, or null. Read once; a name that is none of ours is told and changes nothing.
const trim* forced_policy() noexcept {
  std::size_t known = environment.load(std::memory_order_relaxed);
  if (known == not_read) [[unlikely]] {
    const char* name = std::getenv("RAMIE_TRIM");
    known = policy_named(name);
    const bool is_first = environment.exchange(known, std::memory_order_relaxed) == not_read;
    if (is_first && known == asks_nothing && name != nullptr && *name != 0) {
      std::fprintf(stderr, "ramie: RAMIE_TRIM=%s is ignored: it may be keep, free or dontneed\n", name);
    }
  }
  return known == asks_nothing ? nullptr : &policies[known - first_policy];
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
