// Blocks for tasks: none is given twice, those that come back are used again, slabs go when nothing of them is out.
#include "sched/block_cache.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace ramie_test {
namespace {

using ramie::sched::block_cache;

constexpr std::size_t usual = block_cache::block_bytes;

struct stamped {
  block_cache::block block;
  std::size_t bytes;
  int stamp;
};

stamped stamp(const block_cache::block& block, std::size_t bytes, int with) {
  std::memset(block.start, with, bytes);
  return {block, bytes, with};
}
bool is_untouched(const stamped& one) {
  const auto* at = static_cast<const unsigned char*>(one.block.start);
  for (std::size_t i = 0; i < one.bytes; ++i) {
    if (at[i] != one.stamp) return false;
  }
  return true;
}

TEST(block_cache_test, no_block_is_given_twice_over_random_operations) {
  const char* given = std::getenv("RAMIE_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("RAMIE_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  for (int world = 0; world < 10; ++world) {
    std::vector<stamped> out;
    {
      block_cache cache;
      for (int step = 0; step < 20'000; ++step) {
        // Waves: mostly taking, then mostly giving back.
        if (random() % 10 < (step / 4000 % 2 == 0 ? 7U : 3U)) {
          const std::size_t bytes = random() % 50 == 0 ? usual + random() % 1000 : 1 + random() % usual;
          const bool is_from_afar = random() % 20 == 0;
          out.push_back(stamp(is_from_afar ? block_cache::allocate(bytes) : cache.take(bytes), bytes, step % 251));
          ASSERT_EQ(reinterpret_cast<std::uintptr_t>(out.back().block.start) % block_cache::alignment, 0U);
        } else if (!out.empty()) {
          std::swap(out[random() % out.size()], out.back());
          ASSERT_TRUE(is_untouched(out.back())) << "world " << world << " step " << step;
          if (random() % 30 == 0) {
            block_cache::let_go(out.back().block);
          } else {
            cache.give_back(out.back().block);
          }
          out.pop_back();
        }
      }
    }
    // The cache is gone; its blocks are not.
    for (const stamped& one : out) {
      ASSERT_TRUE(is_untouched(one));
      block_cache::let_go(one.block);
    }
  }
}

TEST(block_cache_test, what_came_back_last_is_given_first_and_neighbours_are_neighbours) {
  block_cache cache;
  const auto first = cache.take(usual), second = cache.take(usual);
  EXPECT_EQ(static_cast<char*>(second.start) - static_cast<char*>(first.start), static_cast<std::ptrdiff_t>(usual));
  cache.give_back(second);
  cache.give_back(first);
  EXPECT_EQ(cache.take(usual).start, first.start);
  EXPECT_EQ(cache.take(usual).start, second.start);
  cache.give_back(first);
  cache.give_back(second);
}

TEST(block_cache_test, a_wave_takes_what_the_wave_before_gave_back) {
  block_cache cache;
  std::vector<block_cache::block> out;
  std::set<void*> seen;
  for (int wave = 0; wave < 10; ++wave) {
    for (int i = 0; i < 500; ++i) {
      out.push_back(cache.take(usual));
      seen.insert(out.back().start);
    }
    for (const auto& one : out) cache.give_back(one);
    out.clear();
  }
  EXPECT_LE(seen.size(), 1000U);
}

TEST(block_cache_test, a_block_of_another_cache_in_the_same_place_is_not_taken_over) {
  alignas(block_cache) std::byte place[sizeof(block_cache)];
  auto* cache = ::new (place) block_cache;
  const auto of_the_first = cache->take(usual);
  cache->~block_cache();
  cache = ::new (place) block_cache;
  cache->give_back(of_the_first);  // and its slab is freed: the leak checker counts
  const auto one = cache->take(usual);
  cache->give_back(one);
  cache->~block_cache();
}

TEST(block_cache_test, threads_let_go_of_blocks_while_their_cache_ends) {
  for (int round = 0; round < 50; ++round) {
    auto cache = std::make_unique<block_cache>();
    std::vector<block_cache::block> out[3];
    for (int i = 0; i < 1500; ++i) out[i % 3].push_back(cache->take(usual));
    const auto let_go_of = [](std::vector<block_cache::block>& all) {
      for (const auto& one : all) block_cache::let_go(one);
    };
    std::thread a(let_go_of, std::ref(out[0])), b(let_go_of, std::ref(out[1]));
    for (const auto& one : out[2]) cache->give_back(one);
    cache.reset();
    a.join();
    b.join();
  }
}

}  // namespace
}  // namespace ramie_test
