// Acquiring and releasing a stack, hot: ramie::boost_stack and Boost's pooled allocator, alternating in one process.
//
//     stack_lending [--smoke]        median and best of 15 runs, in ns for a pair
#include <ramie/boost_stack.hpp>

#include <algorithm>
#include <array>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <vector>

namespace {

// `held` stacks are taken, then given back, again and again; `touched`: with the top written in between, as every use
// does.
template <bool touched, class Allocator>
double pair_ns(Allocator& stacks, std::size_t held, std::size_t pairs) {
  std::array<boost::context::stack_context, 64> taken;
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t done = 0; done < pairs; done += held) {
    for (std::size_t i = 0; i < held; ++i) {
      taken[i] = stacks.allocate();
      if constexpr (touched) static_cast<volatile std::size_t*>(taken[i].sp)[-1] = i;
    }
    for (std::size_t i = held; i-- > 0;) {
      asm volatile("" : : "r"(taken[i].sp) : "memory");
      stacks.deallocate(taken[i]);
    }
  }
  const double ns = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  return ns / static_cast<double>(pairs);
}

struct series {
  std::vector<double> samples;
  double print(const char* name) {
    std::sort(samples.begin(), samples.end());
    std::printf("  %-32s median %6.2f ns   best %6.2f ns\n", name, samples[samples.size() / 2], samples.front());
    return samples[samples.size() / 2];
  }
};

template <bool touched>
void compare(std::size_t held, std::size_t pairs, std::size_t runs) {
  constexpr std::size_t bytes = std::size_t{64} << 10;
  ramie::boost_stack ours(bytes);
  boost::context::pooled_fixedsize_stack pooled(bytes);
  series mine, theirs;
  pair_ns<touched>(ours, held, held);
  pair_ns<touched>(pooled, held, held);
  for (std::size_t run = 0; run < runs; ++run) {
    mine.samples.push_back(pair_ns<touched>(ours, held, pairs));
    theirs.samples.push_back(pair_ns<touched>(pooled, held, pairs));
  }
  std::printf("%zu held, %s:\n", held, touched ? "the top of each written" : "not touched");
  const double ours_ns = mine.print("ramie::boost_stack"), theirs_ns = theirs.print("Boost's pooled_fixedsize_stack");
  std::printf("  ratio %.2f\n", ours_ns / theirs_ns);
}

}  // namespace

int main(int count, char** arguments) {
  const bool smoke = count > 1 && std::string_view(arguments[1]) == "--smoke";
  const std::size_t pairs = smoke ? 64 : 1 << 20, runs = smoke ? 1 : 15;
  for (const std::size_t held : {1, 8, 64}) {
    compare<false>(held, pairs, runs);
    compare<true>(held, pairs, runs);
  }
}
