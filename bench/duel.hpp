// Samples of ours and of a peer's, each pair taken next to the other in one process: what disturbs one disturbs both.
#pragma once

#include "bench.hpp"
#include "bench_child.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ramie::peer {

class duel {
 public:
  void add(double ours, double peer) {
    ours_.push_back(ours);
    peer_.push_back(peer);
    ratios_.push_back(peer > 0 ? ours / peer : 0);
  }
  // Ours, the peer's, and the ratio of each pair.
  void report(app::child_output& out, const char* name, const char* peer, std::uint64_t n, const char* unit = "ns") {
    out.result(app::summarize(name, "ramie", n, unit, std::move(ours_)));
    out.result(app::summarize(name, peer, n, unit, std::move(peer_)));
    out.result(app::summarize(name, "ramie", n, std::string("ratio_to_") + peer, std::move(ratios_)));
  }

 private:
  std::vector<double> ours_, peer_, ratios_;
};

}  // namespace ramie::peer
