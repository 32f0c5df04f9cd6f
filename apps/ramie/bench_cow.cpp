#include "bench_cow.hpp"

#include "command.hpp"
#include "cow_baselines.hpp"
#include "cow_measure.hpp"
#include "cow_ruby.hpp"
#include "os/heap_memory.hpp"

#include <ramie/fiber.hpp>
#include <ramie/fiber_roots.hpp>
#include <ramie/heap.hpp>

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace ramie::app {

namespace {

constexpr double mb = 1e6;

struct node {
  ref<node> left, right;
  std::array<std::uint64_t, 6> payload{};
  void trace(visitor& visit) const { visit(left, right); }
};
static_assert(sizeof(node) == 64);

// A binary tree in random order over the heap, and as many dead nodes as asked for among its nodes.
root<node> plant(heap& h, std::size_t bytes, double garbage) {
  const std::size_t count = bytes / sizeof(node);
  const auto live = static_cast<std::size_t>(static_cast<double>(count) * (1 - garbage));
  std::vector<node*> order(count);
  for (node*& each : order) each = h.make<node>().get();  // collects nothing: the heap was told not to
  std::shuffle(order.begin(), order.end(), std::mt19937(42));
  for (std::size_t at = 0; at < live; ++at) {
    order[at]->payload.fill(at);
    if (2 * at + 1 < live) order[at]->left = ref<node>(order[2 * at + 1]);
    if (2 * at + 2 < live) order[at]->right = ref<node>(order[2 * at + 2]);
  }
  return {h, ref<node>(order[0])};
}

struct child_cost {
  double collected_mb = 0;
  double allocated_mb = 0;
  double collection_ms = 0;
};

double private_dirty_mb() {
  const auto use = os::heap_memory::read_memory_use(0);
  if (!use) throw std::runtime_error("cannot read /proc/self/smaps_rollup");
  return static_cast<double>(use->private_dirty_bytes) / mb;
}

// In a process of its own, a heap; in a child of that, a collection and the allocations.
template <class Build, class Collect, class Allocate>
child_cost measure_child(Build build, Collect collect, Allocate allocate) {
  return in_child<child_cost>([&] {
    auto heap = build();
    return in_child<child_cost>([&] {
      child_cost cost;
      const double begin = now_ms();
      collect(*heap);
      cost.collection_ms = now_ms() - begin;
      cost.collected_mb = private_dirty_mb();
      allocate(*heap);
      cost.allocated_mb = private_dirty_mb();
      return cost;
    });
  });
}

child_cost measure_baseline(const cow_options& options, baseline::mark_place place) {
  return measure_child([&] { return baseline::make_tree_heap(options.heap_mib << 20, options.garbage); },
                       [&](baseline::tree_heap& heap) { baseline::collect(heap, place); },
                       [&](baseline::tree_heap& heap) { baseline::allocate(heap, options.allocations); });
}

struct planted_heap {
  planted_heap(std::size_t bytes, double garbage, bool freeze)
      : h({.collect_automatically = false}), top(plant(h, bytes, garbage)) {
    if (freeze) h.freeze();
  }
  heap h;
  root<node> top;
};

child_cost measure_ours(const cow_options& options, bool freeze) {
  return measure_child([&] { return std::make_unique<planted_heap>(options.heap_mib << 20, options.garbage, freeze); },
                       [](planted_heap& planted) { planted.h.collect(); },
                       [&](planted_heap& planted) {
                         root<node> first;
                         for (std::size_t at = 0; at < options.allocations; ++at) {
                           root<node> next = planted.h.make<node>();
                           next->left = first;
                           first = std::move(next);
                         }
                         first = root<node>();
                       });
}

child_cost measure_ruby(const cow_options& options, const char* how) {
  setenv("RAMIE_COW_PROGRAM", baseline::cow_ruby_program, 1);
  const std::string line = fmt::format("ruby -e 'eval ENV[\"RAMIE_COW_PROGRAM\"]' {} {} {} {}",
                                       (options.heap_mib << 20) / 40, options.garbage, options.allocations, how);
  double collected_kb = 0;
  double allocated_kb = 0;
  std::FILE* output = popen(line.c_str(), "r");  // NOLINT: fixed text and numbers
  if (output == nullptr) throw std::runtime_error("cannot run ruby");
  const int fields = std::fscanf(output, "%lf %lf", &collected_kb, &allocated_kb);  // NOLINT: our own program's output
  pclose(output);
  if (fields != 2) throw std::runtime_error("ruby printed no numbers");
  return {.collected_mb = collected_kb * 1024 / mb, .allocated_mb = allocated_kb * 1024 / mb, .collection_ms = 0};
}

void bench_children(const cow_options& options, results& out) {
  const auto row = [&](const char* library, auto measure) {
    for (std::size_t run = 0; run < options.runs; ++run) {
      const child_cost cost = measure();
      const double n = static_cast<double>(options.heap_mib);
      out.add("child_private_dirty_after_collection", library, n, "MB", cost.collected_mb);
      out.add("child_private_dirty_after_allocations", library, n, "MB", cost.allocated_mb);
      if (cost.collection_ms > 0) out.add("child_collection", library, n, "ms", cost.collection_ms);
    }
  };
  row("mark bit in object", [&] { return measure_baseline(options, baseline::mark_place::in_object); });
  row("bitmap, free-list sweep", [&] { return measure_baseline(options, baseline::mark_place::bitmap); });
  row("ramie", [&] { return measure_ours(options, false); });
  row("ramie, frozen", [&] { return measure_ours(options, true); });
  if (std::system("ruby --version >/dev/null 2>&1") == 0) {  // NOLINT: fixed text
    row("ruby", [&] { return measure_ruby(options, "plain"); });
    row("ruby, warmed up", [&] { return measure_ruby(options, "warm"); });
  } else {
    fmt::print(stderr, "skipped: ruby: not installed (apt-get install ruby)\n");
  }
}

// A frozen heap, a family of children that all collect ten times, and what all of them together weigh.
void bench_family(const cow_options& options, results& out) {
  constexpr int collections = 10;
  struct weight {
    double one_mb = 0;
    double all_mb = 0;
  };
  for (std::size_t run = 0; run < std::min<std::size_t>(options.runs, 3); ++run) {
    const weight sum = in_child<weight>([&] {
      planted_heap planted(options.family_mib << 20, 0, true);
      const auto alone = os::heap_memory::read_memory_use(0);
      family children(options.children, [&] {
        for (int at = 0; at < collections; ++at) {
          for (int made = 0; made < 1000; ++made) static_cast<void>(planted.h.make<node>());
          planted.h.collect();
        }
      });
      const auto now = os::heap_memory::read_memory_use(0);
      if (!alone || !now) throw std::runtime_error("cannot read /proc/self/smaps_rollup");
      return weight{.one_mb = static_cast<double>(alone->proportional_bytes) / mb,
                    .all_mb = static_cast<double>(now->proportional_bytes) / mb + children.proportional_mb()};
    });
    const auto n = static_cast<double>(options.children);
    out.add("one_process_pss", "ramie, frozen", n, "MB", sum.one_mb);
    out.add("family_pss", "ramie, frozen", n, "MB", sum.all_mb);
    out.add("family_pss_ratio", "ramie, frozen", n, "ratio", sum.all_mb / sum.one_mb);
  }
}

// Fibers that each hold eight pointers into the heap, in an array on their stacks; resumed, they hold others.
class holding_fibers {
 public:
  static constexpr std::size_t pointers = 8;

  holding_fibers(std::size_t count, const std::vector<node*>& objects) : objects_(objects) {
    fibers_.reserve(count);
    for (std::size_t at = 0; at < count; ++at) fibers_.emplace_back([this] { hold(); });
    resume_each(fibers_);
  }
  void run_one() { fibers_[random_() % fibers_.size()].resume(); }
  [[nodiscard]] std::size_t count() const { return fibers_.size(); }

 private:
  void hold() {
    std::array<node* volatile, pointers> held{};
    for (;;) {
      for (auto& each : held) each = objects_[random_() % objects_.size()];
      this_fiber::suspend();
    }
  }
  const std::vector<node*>& objects_;
  std::mt19937_64 random_{7};
  std::vector<fiber> fibers_;
};

void bench_parked(const cow_options& options, results& out) {
  heap h({.collect_automatically = false});
  root<node> top = plant(h, std::size_t{64} << 20, 0);
  std::vector<node*> objects;
  for (std::vector<node*> next{top.get()}; !next.empty();) {
    node* at = next.back();
    next.pop_back();
    objects.push_back(at);
    if (at->left) next.push_back(at->left.get());
    if (at->right) next.push_back(at->right.get());
  }
  holding_fibers fibers(options.parked_fibers, objects);
  const auto n = static_cast<double>(fibers.count());
  const auto collect = [&](const char* name) {
    h.collect();
    out.add(name, "ramie", n, "ms", static_cast<double>(h.statistics().last.roots_ns) / 1e6);
  };
  for (std::size_t run = 0; run < options.runs; ++run) collect("roots_without_fibers");
  const auto before = os::heap_memory::read_memory_use(0);
  fiber_roots roots;
  h.add_root_source(roots);
  collect("roots_all_fibers_new");
  const auto after = os::heap_memory::read_memory_use(0);
  for (std::size_t run = 0; run < options.runs; ++run) collect("roots_no_fiber_ran");
  for (const std::size_t percent : {1, 10, 100}) {
    for (std::size_t run = 0; run < options.runs; ++run) {
      for (std::size_t changed = 0; changed < fibers.count() * percent / 100; ++changed) fibers.run_one();
      collect(percent == 1 ? "roots_1_percent_ran" : percent == 10 ? "roots_10_percent_ran" : "roots_all_ran");
    }
  }
  if (before && after) {
    const double grown = static_cast<double>(after->resident_bytes) - static_cast<double>(before->resident_bytes);
    out.add("resident_growth_of_first_scan", "ramie", n, "bytes_per_fiber", grown / n);
  }
  h.remove_root_source(roots);
}

// What making and collecting cost in one process.
void bench_single(const cow_options& options, results& out) {
  constexpr std::size_t count = 1'000'000;
  for (std::size_t run = 0; run < options.runs; ++run) {
    heap h({.collect_automatically = false});
    double begin = now_ms();
    for (std::size_t at = 0; at < count; ++at) static_cast<void>(h.make<node>());
    out.add("make_in_new_memory", "ramie", 64, "ns", (now_ms() - begin) * 1e6 / count);
    heap automatic;
    for (std::size_t at = 0; at < count; ++at) static_cast<void>(automatic.make<node>());
    begin = now_ms();
    for (std::size_t at = 0; at < count; ++at) static_cast<void>(automatic.make<node>());
    out.add("make_with_collections", "ramie", 64, "ns", (now_ms() - begin) * 1e6 / count);
    begin = now_ms();
    h.collect();
    out.add("collect_garbage", "ramie", count, "ms", now_ms() - begin);
    root<node> top = plant(h, std::size_t{64} << 20, 0);
    begin = now_ms();
    h.collect();
    out.add("collect_live_64_mib", "ramie", 1 << 20, "ms", now_ms() - begin);
  }
}

}  // namespace

int bench_cow(cow_options options) {
  if (options.quick) {
    options.heap_mib = std::min<std::size_t>(options.heap_mib, 50);
    options.family_mib = std::min<std::size_t>(options.family_mib, 64);
    options.parked_fibers = std::min<std::size_t>(options.parked_fibers, 20'000);
    options.runs = 1;
  }
  if (options.smoke) {
    options.heap_mib = 4;
    options.family_mib = 4;
    options.children = 2;
    options.parked_fibers = 200;
    options.runs = 1;
  }
  results out("cow");
  bench_children(options, out);
  bench_family(options, out);
  bench_parked(options, out);
  bench_single(options, out);
  out.print(options.json);
  return 0;
}

action add_bench_cow(CLI::App& bench) {
  auto options = std::make_shared<cow_options>();
  CLI::App* command = bench.add_subcommand("cow", "What a forked child pays for a garbage collection");
  command->add_option("--heap-mib", options->heap_mib, "Size of the heap that is shared")->capture_default_str();
  command->add_option("--garbage", options->garbage, "Share of it that is dead")->capture_default_str();
  command->add_option("--children", options->children, "Processes that share a frozen heap")->capture_default_str();
  command->add_option("--runs", options->runs, "Runs of each case")->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object instead of the table");
  command->add_flag("--quick", options->quick, "Smaller and fewer: done within 20 seconds");
  command->add_flag("--smoke", options->smoke, "One iteration of everything, for tests");
  return [options] { return bench_cow(*options); };
}

}  // namespace ramie::app
