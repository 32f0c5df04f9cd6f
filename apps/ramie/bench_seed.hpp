// What the bug thread measured: Ruby's fibers, as its participants printed them. Constant data.
#pragma once

#include <cstdint>
#include <span>

namespace ramie::app {

struct seed_row {
  std::uint64_t fibers;
  double per_second;
};

// "Script to generate the above table": resume and yield, one to 2^20 fibers, vm.max_map_count raised.
[[nodiscard]] std::span<const seed_row> seed_resume_rows();
// The first program: a transfer ring; by Ruby 2.6.5, and by Ruby 2.7.1 which stopped at 31,744 fibers.
[[nodiscard]] std::span<const seed_row> seed_transfer_rows_265();
[[nodiscard]] std::span<const seed_row> seed_transfer_rows_271();
inline constexpr std::uint64_t seed_stopped_at = 31744;
inline constexpr std::uint64_t seed_stopped_at_265 = 22718;

// Per second at that number of fibers; negative when the thread has no such row.
[[nodiscard]] double seed_rate(std::span<const seed_row> rows, std::uint64_t fibers);

}  // namespace ramie::app
