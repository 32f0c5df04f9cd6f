// What each measuring process of `ramie bench fibers` does.
#include "bench_counters.hpp"
#include "bench_fibers.hpp"

#include <fmt/core.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102  // Linux 6.13; Debian 12's headers are older
#endif

namespace ramie::app {
namespace {

using clock = std::chrono::steady_clock;

double seconds_since(clock::time_point start) { return std::chrono::duration<double>(clock::now() - start).count(); }

std::size_t rounds_for(std::size_t pairs, std::uint64_t fibers) {
  return std::max<std::size_t>(pairs / static_cast<std::size_t>(fibers), 1);
}

// One growing population and what is measured on it.
class population {
 public:
  population(child_output& out, const fibers_plan& plan, suspend_place place, std::size_t stack_bytes,
             std::string library, std::uint64_t largest)
      : out_(out),
        plan_(plan),
        place_(place),
        stack_bytes_(stack_bytes),
        library_(std::move(library)),
        largest_(largest),
        before_(read_usage()) {
    fibers_.reserve(largest);
    if (plan.counters && place == suspend_place::inlined) counters_ = std::make_unique<perf_counters>();
    if (counters_ && !counters_->missing().empty()) out_.note(counters_->missing());
  }

  void run() {
    for (const std::uint64_t size : sizes()) {
      const bool grown = grow_to(size);
      if (!grown || is_checkpoint(size)) report_live();
      if (!grown) return;
      if (std::has_single_bit(size) || size == largest_) measure_switches(size);
    }
  }

 private:
  // Memory is read where the thread's programs stood, and at the end.
  [[nodiscard]] bool is_checkpoint(std::uint64_t size) const {
    return place_ == suspend_place::inlined &&
           (size == 1000 || size == 31744 || size == 100000 || size == 1000000 || size == largest_);
  }

  [[nodiscard]] std::vector<std::uint64_t> sizes() const {
    std::vector<std::uint64_t> all = {largest_};
    for (std::uint64_t size = 1; size < largest_; size *= 2) all.push_back(size);
    for (const std::uint64_t size : {1000, 31744, 100000, 1000000}) {
      if (size < largest_ && is_checkpoint(size)) all.push_back(size);
    }
    std::sort(all.begin(), all.end());
    return all;
  }

  // False when time or the system did not allow it; what there is stays.
  bool grow_to(std::uint64_t size) {
    constexpr std::uint64_t chunk = 8192;
    process_usage start, end;
    read_times(start);
    bool grown = true;
    while (grown && fibers_.size() < size) {
      const clock::time_point chunk_start = clock::now();
      try {
        add_started(fibers_, std::min(chunk, size - fibers_.size()), place_, stack_bytes_);
      } catch (const stack_error& refused) {
        out_.note(fmt::format("{}: at {} fibers: {}", library_, fibers_.size(), refused.what()));
        while (!fibers_.empty() && fibers_.back().state() == fiber_state::created) fibers_.pop_back();
        grown = false;
      }
      growth_s_ += seconds_since(chunk_start);
      if (growth_s_ > plan_.growth_limit_s && fibers_.size() < size) {
        out_.note(
            fmt::format("{}: time was up after {} fibers (this memory is slow to come: {:.0f} ns each); the run "
                        "without --quick takes its time",
                        library_, fibers_.size(), growth_s_ * 1e9 / static_cast<double>(fibers_.size())));
        grown = false;
      }
      out_.progress(static_cast<double>(fibers_.size()) / static_cast<double>(largest_),
                    fmt::format("{}: {} guarded fibers", library_, fibers_.size()));
    }
    read_times(end);
    kernel_ns_ += end.kernel_ns - start.kernel_ns;
    faults_ += end.minor_faults - start.minor_faults;
    return grown;
  }

  void report_live() {
    if (fibers_.empty()) return;
    const process_usage now = read_usage();
    const auto count = static_cast<double>(fibers_.size());
    const auto each = [count](std::uint64_t before, std::uint64_t after) {
      return (static_cast<double>(after) - static_cast<double>(before)) / count;
    };
    const std::pair<const char*, double> rows[] = {
        {"mappings", static_cast<double>(now.mappings)},
        {"rss_bytes_each", each(before_.resident_bytes, now.resident_bytes)},
        {"page_table_bytes_each", each(before_.page_table_bytes, now.page_table_bytes)},
        {"virtual_bytes_each", each(before_.virtual_bytes, now.virtual_bytes)},
        {"faults_each", static_cast<double>(faults_) / count},
        {"kernel_ns_each", kernel_ns_ / count}};
    for (const auto& [unit, value] : rows) {
      out_.result(summarize("live_guarded", library_, fibers_.size(), unit, {value}));
    }
  }

  void measure_switches(std::uint64_t size) {
    const std::size_t rounds = rounds_for(plan_.pairs, size);
    const bool nested = place_ == suspend_place::nested;
    std::vector<double> plain, batch;
    static_cast<void>(resume_pair_ns(fibers_, size, 1));
    for (int run = 0; run < plan_.runs; ++run) {
      plain.push_back(resume_pair_ns(fibers_, size, rounds));
      if (!nested) batch.push_back(resume_batch_pair_ns(fibers_, size, rounds));
    }
    out_.result(summarize(nested ? "resume_yield_nested" : "resume_yield", library_, size, "ns", std::move(plain)));
    if (!nested) out_.result(summarize("resume_batch", library_, size, "ns", std::move(batch)));
    if (counters_) count_switches(size, rounds);
  }

  void count_switches(std::uint64_t size, std::size_t rounds) {
    counters_->start();
    static_cast<void>(resume_pair_ns(fibers_, size, rounds));
    const auto values = counters_->stop();
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] < 0) continue;
      out_.result(summarize("resume_yield", library_, size, perf_counters::units[i],
                            {values[i] / static_cast<double>(rounds * size)}));
    }
  }

  child_output& out_;
  const fibers_plan& plan_;
  suspend_place place_;
  std::size_t stack_bytes_;
  std::string library_;
  std::uint64_t largest_;
  process_usage before_;
  std::vector<fiber> fibers_;
  std::unique_ptr<perf_counters> counters_;
  double growth_s_ = 0, kernel_ns_ = 0;
  std::uint64_t faults_ = 0;
};

}  // namespace

// What these allocate for their fibers is never freed: the process ends instead, which takes a tenth of the time.
void measure_population(child_output& out, const fibers_plan& plan, suspend_place place, std::size_t stack_bytes,
                        const std::string& library, std::uint64_t largest) {
  auto whole = std::make_unique<population>(out, plan, place, stack_bytes, library, largest);
  whole->run();
  static_cast<void>(whole.release());
}

void measure_transfers(child_output& out, const fibers_plan& plan, std::size_t stack_bytes, const std::string& library,
                       std::uint64_t largest) {
  for (const std::uint64_t size : {2, 10, 100, 1000, 10000, 100000, 1000000}) {
    if (size > largest) break;
    out.progress(static_cast<double>(size) / static_cast<double>(largest),
                 fmt::format("{}: transfer around {} fibers", library, size));
    auto ring = std::make_unique<transfer_ring>(size, stack_bytes);
    const std::size_t laps = rounds_for(plan.pairs, size);
    std::vector<double> samples;
    samples.reserve(static_cast<std::size_t>(plan.runs));
    static_cast<void>(ring->transfer_ns(1));
    for (int run = 0; run < plan.runs; ++run) samples.push_back(ring->transfer_ns(laps));
    out.result(summarize("transfer", library, size, "ns", std::move(samples)));
    static_cast<void>(ring.release());
  }
}

void measure_creation(child_output& out, const fibers_plan& plan, std::size_t stack_bytes, const std::string& library) {
  std::vector<double> samples;
  samples.reserve(static_cast<std::size_t>(plan.runs));
  static_cast<void>(create_run_finish_ns(1000, stack_bytes));
  for (int run = 0; run < plan.runs; ++run) samples.push_back(create_run_finish_ns(plan.pairs, stack_bytes));
  out.result(summarize("create", library, 1, "ns", std::move(samples)));
}

void measure_cold_create(child_output& out, std::uint64_t count, std::size_t stack_bytes, const std::string& library) {
  out.progress(0, fmt::format("{}: cold creation", library));
  auto fibers = std::make_unique<std::vector<fiber>>();
  fibers->reserve(count);
  process_usage before, after;
  read_times(before);
  const double start = thread_time_ns();
  add_started(*fibers, count, suspend_place::inlined, stack_bytes);
  const double spent_ns = thread_time_ns() - start;
  read_times(after);
  const auto each = static_cast<double>(count);
  out.result(summarize("cold_create", library, count, "ns", {spent_ns / each}));
  out.result(summarize("cold_create", library, count, "faults_each",
                       {static_cast<double>(after.minor_faults - before.minor_faults) / each}));
  static_cast<void>(fibers.release());
}

void measure_guard_and_touch(child_output& out, std::uint64_t count, std::size_t slot_bytes,
                             const std::string& library) {
  constexpr std::size_t page = 4096, line = 64;
  void* memory =
      mmap(nullptr, count * slot_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error(fmt::format("guard_and_touch: mmap: {}", strerror(errno)));
  madvise(memory, count * slot_bytes, MADV_NOHUGEPAGE);
  auto* bytes = static_cast<char*>(memory);
  const double start = thread_time_ns();
  for (std::uint64_t slot = 0; slot < count; ++slot) {
    char* low = bytes + slot * slot_bytes;
    if (madvise(low, page, MADV_GUARD_INSTALL) != 0) {
      out.note(fmt::format("guard_and_touch is measured with MADV_GUARD_INSTALL only, which this kernel lacks ({})",
                           strerror(errno)));
      return;
    }
    *static_cast<volatile char*>(low + slot_bytes - line) = 1;
  }
  out.result(
      summarize("guard_and_touch", library, count, "ns", {(thread_time_ns() - start) / static_cast<double>(count)}));
}

}  // namespace ramie::app
