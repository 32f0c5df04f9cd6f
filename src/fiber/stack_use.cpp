#include "fiber/stack_use.hpp"

#include "fiber/slab.hpp"
#include "fiber/spawn_sites.hpp"
#include "os/memory.hpp"
#include "stack/watermark.hpp"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace ramie::inline v0::control {
namespace {

struct site_use {
  const closure_operations* operations = nullptr;
  const char* file = nullptr;
  std::uint32_t line = 0;
  std::uint64_t fibers = 0;
  std::size_t usable_bytes = 0, deepest_bytes = 0;
};

// Fixed, because a fiber's end must not fail; the last row takes all places beyond.
struct site_uses {
  std::array<site_use, 257> rows{};

  void count(const cold_block& about, std::size_t deepest_bytes) noexcept {
    site_use* row = rows.data();
    for (; row != &rows.back() && row->file != nullptr; ++row) {
      if (row->line == about.line && row->operations == about.operations &&
          (row->file == about.file || std::strcmp(row->file, about.file) == 0)) {
        break;
      }
    }
    if (row->file == nullptr) {
      row->operations = about.operations;
      row->file = row == &rows.back() ? "other places" : about.file;
      row->line = about.line;
    }
    ++row->fibers;
    row->usable_bytes =
        std::max<std::size_t>(row->usable_bytes, about.slot->usable_bytes - std::size_t{about.slot->colour_bytes});
    row->deepest_bytes = std::max(row->deepest_bytes, deepest_bytes);
  }
};

struct shared_uses {
  std::mutex lock;
  site_uses of_ended;
};
constinit shared_uses everything;
shared_uses& shared() noexcept { return everything; }

void lock_stack_use() noexcept { shared().lock.lock(); }
void unlock_stack_use() noexcept { shared().lock.unlock(); }
[[gnu::constructor(101)]] void see_to_forks() { pthread_atfork(&lock_stack_use, &unlock_stack_use, &unlock_stack_use); }

std::size_t suggestion_for(std::size_t deepest_bytes) noexcept {
  // Room for a deeper day, and for a signal that arrives at the deepest place: its frame takes up to 3 KiB.
  const std::size_t page = os::page_bytes(), wanted = deepest_bytes + deepest_bytes / 2 + page;
  return std::max<std::size_t>(std::size_t{8} << 10, (wanted + page - 1) / page * page);
}

// Before main, so that every fiber of the program is seen.
[[gnu::constructor]] void read_environment() noexcept {
  const char* wanted = std::getenv("RAMIE_STACK_USE");
  if (wanted == nullptr || std::strcmp(wanted, "1") != 0) return;
  measuring_stacks = true;
  std::atexit([] { std::fputs(stack_use_report().c_str(), stderr); });
}

}  // namespace

constinit std::atomic<bool> measuring_stacks{false};

void begin_measuring(cold_block& about) noexcept {
  stack::wipe(*about.slot);
  about.depth = being_measured;
}

void end_measuring(cold_block& about) noexcept {
  const std::size_t deepest_bytes = stack::deepest_bytes(*about.slot);
  about.depth = std::max(static_cast<std::uint32_t>(deepest_bytes), being_measured);
  shared_uses& uses = shared();
  std::lock_guard held(uses.lock);
  uses.of_ended.count(about, deepest_bytes);
}

}

namespace ramie {

void measure_stacks(bool on) noexcept { control::measuring_stacks.store(on, std::memory_order_relaxed); }

std::vector<stack_use> stack_use_by_site() {
  using namespace control;
  site_uses all;
  {
    shared_uses& uses = shared();
    std::lock_guard held(uses.lock);
    all = uses.of_ended;
  }
  // The living ones of this thread: others change theirs meanwhile.
  for_each_block(
      [](control_block* block, void* argument) {
        if (__atomic_load_n(&block->home, __ATOMIC_RELAXED) != context::this_thread_words()) return;
        const cold_block& about = cold(block);
        if (about.slot == nullptr || about.depth == not_measured) return;
        static_cast<site_uses*>(argument)->count(about, stack::deepest_bytes(*about.slot));
      },
      &all);
  std::vector<stack_use> result;
  for (const site_use& row : all.rows) {
    if (row.fibers == 0) continue;
    cold_block example{};
    example.operations = row.operations;
    example.file = row.file;
    example.line = row.line;
    char place[160];
    describe_site(example, place, sizeof place);
    result.push_back({place, row.fibers, row.usable_bytes, row.deepest_bytes, suggestion_for(row.deepest_bytes)});
  }
  std::sort(result.begin(), result.end(), [](auto& a, auto& b) { return a.deepest_bytes > b.deepest_bytes; });
  return result;
}

std::string stack_use_report() {
  std::string text = "ramie: stack use by the place that made the fibers, deepest first\n";
  for (const stack_use& row : stack_use_by_site()) {
    char line[320];
    std::snprintf(line, sizeof line, "ramie: %9zu of %9zu bytes, %llu fibers, .stack_bytes = %zu << 10  %s\n",
                  row.deepest_bytes, row.usable_bytes, static_cast<unsigned long long>(row.fibers),
                  row.suggested_bytes >> 10, row.made_at.c_str());
    text += line;
  }
  return text;
}

}  // namespace ramie
