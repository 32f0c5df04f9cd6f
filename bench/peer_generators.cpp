// Generators of Boost.Coroutine2 and of C++20 coroutines beside ours, alternating in one process.
//
//     peer_generators [--quick | --smoke]
//
// The JSON object of all benchmarks; rows with unit "ratio_to_PEER" as peer_boost's.
#include "bench.hpp"
#include "bench_child.hpp"
#include "generator_loops.hpp"

#include <fmt/core.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ramie::peer {
namespace {

struct plan {
  int runs = 9;
  std::size_t items = 10000000, nodes = 1000000, made = 1000000;
};

struct contender {
  const char* library;
  std::function<double()> one;
};

// Each run takes ours and then every peer's; ratios are of neighbours.
void race(app::child_output& out, const char* name, std::size_t n, int runs, const std::function<double()>& ours,
          const std::vector<contender>& peers) {
  out.progress(0, name);
  std::vector<double> mine;
  std::vector<std::vector<double>> theirs(peers.size()), ratios(peers.size());
  static_cast<void>(ours());
  for (int run = 0; run < runs; ++run) {
    mine.push_back(ours());
    for (std::size_t i = 0; i < peers.size(); ++i) {
      theirs[i].push_back(peers[i].one());
      ratios[i].push_back(mine.back() / theirs[i].back());
    }
  }
  out.result(app::summarize(name, "ramie", n, "ns", mine));
  for (std::size_t i = 0; i < peers.size(); ++i) {
    out.result(app::summarize(name, peers[i].library, n, "ns", std::move(theirs[i])));
    out.result(app::summarize(name, "ramie", n, std::string("ratio_to_") + peers[i].library, std::move(ratios[i])));
  }
}

constexpr const char* boost_default = "boost.coroutine2";
constexpr const char* boost_pooled = "boost.coroutine2-pooled";
constexpr const char* by_hand = "c++20-stackless";
using kind = coroutine_stacks;

void run_all(app::bench_report& report, const plan& of) {
  app::progress_bar bar(3);
  app::run_in_child(report, bar, [&](app::child_output& out) {
    race(out, "sum", of.items, of.runs, [&] { return app::sum_ns(of.items); },
         {{boost_default, [&] { return boost_sum_ns(kind::fixedsize, of.items); }},
          {boost_pooled, [&] { return boost_sum_ns(kind::pooled, of.items); }},
          {by_hand, [&] { return stackless_sum_ns(of.items); }}});
  });
  app::run_in_child(report, bar, [&](app::child_output& out) {
    const app::balanced_tree tree(of.nodes);
    race(out, "tree", of.nodes, of.runs, [&] { return app::tree_ns(tree); },
         {{boost_default, [&] { return boost_tree_ns(kind::fixedsize, tree); }},
          {boost_pooled, [&] { return boost_tree_ns(kind::pooled, tree); }},
          {by_hand, [&] { return stackless_tree_ns(tree); }}});
  });
  app::run_in_child(report, bar, [&](app::child_output& out) {
    race(out, "make_one", of.made, of.runs, [&] { return app::make_one_ns(app::one_of::loop, of.made); },
         {{boost_default, [&] { return boost_make_one_ns(kind::fixedsize, of.made / 10 + 1); }},
          {boost_pooled, [&] { return boost_make_one_ns(kind::pooled, of.made / 10 + 1); }},
          {by_hand, [&] { return stackless_make_one_ns(of.made); }}});
  });
}

int main_of_peer(int count, char** arguments) {
  plan of;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--quick") {
      of = {5, 3000000, 1000000, 300000};
    } else if (argument == "--smoke") {
      of = {1, 1000, 1000, 100};
    } else {
      fmt::print(stderr, "usage: peer_generators [--quick | --smoke]\n");
      return 2;
    }
  }
  app::bench_report report;
  run_all(report, of);
  app::print_json("generators", report);
  return 0;
}

}  // namespace
}  // namespace ramie::peer

int main(int count, char** arguments) { return ramie::peer::main_of_peer(count, arguments); }
