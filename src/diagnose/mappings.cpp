#include "diagnose/mappings.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

namespace ramie::diagnose {
namespace {

constexpr std::size_t least_pattern = 8;
// FIBER_POOL_ALLOCATION_MAXIMUM_SIZE in Ruby's cont.c: a pool is all made or not at all, which is why it stops at
// 31,744.
constexpr std::size_t ruby_pool = 1024;
constexpr std::uint64_t arena_bytes = 64 * 1024 * 1024;

bool anonymous(const os::mapping& m) { return !m.has_file && !m.shared; }
bool plain_writable(const os::mapping& m) { return anonymous(m) && m.readable && m.writable; }
bool inaccessible(const os::mapping& m) { return anonymous(m) && !m.accessible(); }

struct sizes {
  std::uint64_t guard, stack;
  bool operator<(const sizes& other) const { return std::pair(guard, stack) < std::pair(other.guard, other.stack); }
};

enum class role : unsigned char { other, guard, stack, arena };

class summarizer {
 public:
  summarizer(const process_facts& facts, mapping_summary& out) : facts_(facts), all_(facts.maps.mappings), out_(out) {
    for (const std::string& name : facts.maps.names) ruby_ = ruby_ || name.find("/libruby") != std::string::npos;
  }

  void run() {
    roles_.assign(all_.size(), role::other);
    find_arenas();
    find_stacks();
    group();
    compare_neighbours();
  }

 private:
  bool touching(std::size_t i) const { return i + 1 < all_.size() && all_[i].end == all_[i + 1].start; }

  // malloc: 64 MiB, aligned to 64 MiB, the front opened for writing.
  void find_arenas() {
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (!plain_writable(all_[i]) || all_[i].start % arena_bytes != 0) continue;
      bool split = touching(i) && inaccessible(all_[i + 1]) && all_[i + 1].end - all_[i].start >= arena_bytes &&
                   all_[i].bytes() < arena_bytes;
      if (!split) continue;
      roles_[i] = roles_[i + 1] = role::arena;
      ++out_.arenas;
    }
  }

  void find_stacks() {
    std::map<sizes, std::size_t> shapes;
    auto is_pair = [&](std::size_t i) {
      return touching(i) && roles_[i] == role::other && inaccessible(all_[i]) && plain_writable(all_[i + 1]) &&
             all_[i].bytes() <= all_[i + 1].bytes() && all_[i].bytes() <= 1024 * 1024;
    };
    sizes last{};
    std::size_t* counter = nullptr;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (!is_pair(i)) continue;
      sizes shape{all_[i].bytes(), all_[i + 1].bytes()};
      if (counter == nullptr || last < shape || shape < last) counter = &shapes[shape];
      last = shape;
      ++*counter;
    }
    // The last stack of a pool may be followed by memory that is not split yet, and so looks larger.
    for (std::size_t i = 2; i < all_.size(); ++i) {
      if (!is_pair(i) || !is_pair(i - 2) || all_[i - 1].end != all_[i].start) continue;
      auto before = shapes.find({all_[i - 2].bytes(), all_[i - 1].bytes()});
      bool larger = all_[i].bytes() == before->first.guard && all_[i + 1].bytes() > before->first.stack;
      if (larger && before->second >= least_pattern) ++before->second;
    }
    for (auto& [shape, count] : shapes) {
      if (count < least_pattern) continue;
      guarded_stacks found{stack_kind::fibers, count, shape.stack, shape.guard, 1, 0};
      // As many as threads, or a few more that the C library keeps for the next ones.
      if (facts_.status.threads > 1 && count <= facts_.status.threads + 8) found.kind = stack_kind::threads;
      if (ruby_) found.batch = ruby_pool;
      found.fails_at = count + out_.headroom / 2 / found.batch * found.batch;
      out_.stacks.push_back(found);
    }
    std::sort(out_.stacks.begin(), out_.stacks.end(), [](const auto& a, const auto& b) { return a.count > b.count; });
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (!is_pair(i)) continue;
      auto shape = shapes.find({all_[i].bytes(), all_[i + 1].bytes()});
      if (shape->second < least_pattern) continue;
      roles_[i] = role::guard;
      roles_[i + 1] = role::stack;
    }
  }

  std::string name_of(const os::mapping& m, role r) const {
    if (r == role::guard || r == role::stack) return "stacks with mprotect guards";
    if (r == role::arena) return "malloc arenas";
    const std::string& name = facts_.maps.name_of(m);
    if (!name.empty()) return name;
    if (m.shared) return "shared anonymous memory";
    return m.accessible() ? "anonymous memory" : "reserved addresses (no access)";
  }

  void group() {
    std::unordered_map<std::uint64_t, std::size_t> places;  // by name and role, so that text is made once
    for (std::size_t i = 0; i < all_.size(); ++i) {
      const os::mapping& m = all_[i];
      if (facts_.maps.name_of(m) == "[vsyscall]") continue;
      bool stacks = roles_[i] == role::guard || roles_[i] == role::stack;
      std::uint64_t variant = stacks ? 1 : roles_[i] == role::arena ? 2 : m.shared ? 3 : m.accessible() ? 4 : 5;
      std::uint64_t key = m.name == 0 || stacks || variant == 2 ? variant : std::uint64_t{m.name} << 8;
      auto [place, added] = places.try_emplace(key, out_.groups.size());
      if (added) out_.groups.push_back({name_of(m, roles_[i]), 0, 0});
      mapping_group& g = out_.groups[place->second];
      ++g.mappings;
      g.bytes += m.bytes();
      out_.bytes += m.bytes();
    }
    std::stable_sort(out_.groups.begin(), out_.groups.end(),
                     [](const auto& a, const auto& b) { return a.mappings > b.mappings; });
  }

  void compare_neighbours() {
    std::map<std::string, std::size_t> flags;
    for (std::size_t i = 0; i + 1 < all_.size(); ++i) {
      const os::mapping &low = all_[i], &high = all_[i + 1];
      bool alike = touching(i) && low.same_access(high) && low.name == high.name && low.has_file == high.has_file &&
                   !low.shared && (!low.has_file || low.offset + low.bytes() == high.offset);
      if (!alike || facts_.maps.name_of(low).starts_with("[v")) continue;
      ++out_.alike_neighbours;
      if (!facts_.maps.detailed()) continue;
      std::string flag = differing_flag(facts_.maps.details[i].flags, facts_.maps.details[i + 1].flags);
      if (flag.empty()) continue;
      ++out_.alike_but_flags;
      ++flags[flag];
    }
    auto most =
        std::max_element(flags.begin(), flags.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most != flags.end()) out_.commonest_flag = most->first;
  }

  static std::string differing_flag(std::string_view a, std::string_view b) {
    if (a == b) return {};
    for (auto [one, two] : {std::pair(a, b), std::pair(b, a)}) {
      for (std::size_t at = 0; at + 1 < one.size(); at += 3) {
        std::string_view flag = one.substr(at, 2);
        if (two.find(flag) == std::string_view::npos) return std::string(flag);
      }
    }
    return {};
  }

  const process_facts& facts_;
  const std::vector<os::mapping>& all_;
  mapping_summary& out_;
  std::vector<role> roles_;
  bool ruby_ = false;
};

}  // namespace

mapping_summary summarize_mappings(const process_facts& facts, std::uint64_t max_map_count) {
  mapping_summary summary;
  summary.count = facts.mapping_count();
  summary.limit = max_map_count;
  summary.headroom = max_map_count > summary.count ? max_map_count - summary.count : 0;
  summarizer(facts, summary).run();
  return summary;
}

}  // namespace ramie::diagnose
