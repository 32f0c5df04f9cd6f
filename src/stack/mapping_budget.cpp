#include "stack/mapping_budget.hpp"

#include "os/own_limits.hpp"
#include "stack/guard_ladder.hpp"
#include "stack/refusal.hpp"

#include <algorithm>

namespace ramie::stack {
namespace {
constexpr std::uint64_t mappings_per_guard = 2;
constexpr std::uint64_t guards_between_counts = 4096;
}  // namespace

mapping_budget& mapping_budget::instance() noexcept {
  static constinit mapping_budget one;
  return one;
}

std::uint64_t mapping_budget::room() noexcept {
  const std::uint64_t limit = allowed_ - std::min(allowed_, kept_free_);
  return in_use_ >= limit ? 0 : (limit - in_use_) / mappings_per_guard;
}

std::size_t mapping_budget::take_guards(std::size_t wanted) {
  if (!counted_ || since_count_ >= guards_between_counts || room() < wanted + guards_between_counts / 8) {
    in_use_ = os::mappings_in_use();
    allowed_ = os::mappings_allowed();
    kept_free_ = std::max<std::uint64_t>(1024, allowed_ / 50);
    since_count_ = 0;
    counted_ = true;
  }
  const std::size_t taken = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, room()));
  if (taken == 0) {
    auto& ladder = guard_ladder::instance();
    throw out_of_mappings(in_use_, allowed_, kept_free_,
                          ladder.is_forced() ? "RAMIE_GUARD forces this one"
                                             : "region (Linux 6.13+) or userfaultfd, see ramie bench fibers");
  }
  in_use_ += taken * mappings_per_guard;
  since_count_ += taken;
  return taken;
}

void mapping_budget::return_guards(std::size_t count) noexcept {
  in_use_ -= std::min<std::uint64_t>(in_use_, count * mappings_per_guard);
}

}  // namespace ramie::stack
