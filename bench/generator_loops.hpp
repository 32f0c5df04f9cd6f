// The loops of bench_generators_loops.hpp on Boost.Coroutine2 and on C++20 coroutines by hand.
#pragma once

#include "bench_generators_loops.hpp"

#include <cstddef>

namespace ramie::peer {

// Boost.Coroutine2's stacks: its default (malloc, no guard), or a pool, its fastest.
enum class coroutine_stacks { fixedsize, pooled };

[[nodiscard]] double boost_sum_ns(coroutine_stacks stacks, std::size_t count);
[[nodiscard]] double boost_tree_ns(coroutine_stacks stacks, const app::balanced_tree& tree);
[[nodiscard]] double boost_make_one_ns(coroutine_stacks stacks, std::size_t times);

[[nodiscard]] double stackless_sum_ns(std::size_t count);
[[nodiscard]] double stackless_tree_ns(const app::balanced_tree& tree);  // one coroutine per level
[[nodiscard]] double stackless_make_one_ns(std::size_t times);

}  // namespace ramie::peer
