// The parts of `ramie bench fibers`: what is measured (jobs, each in a child), and how it is told.
#pragma once

#include "bench.hpp"
#include "bench_child.hpp"
#include "bench_fibers_loops.hpp"
#include "bench_machine.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ramie::app {

// A slot is the usable part and its guard page; the dense class is 16 KiB of both.
inline constexpr std::size_t dense_stack_bytes = std::size_t{12} << 10;
inline constexpr std::size_t dense_slot_bytes = std::size_t{16} << 10;
inline constexpr std::size_t default_slot_bytes = std::size_t{68} << 10;
inline constexpr const char* default_library = "ramie";    // the default stack class
inline constexpr const char* dense_library = "ramie-16k";  // the dense one
inline constexpr std::uint64_t bytes_for_each = 4400;      // what a live fiber takes: to choose the largest size

// How much of it this time.
struct fibers_plan {
  std::uint64_t largest = 0;         // resume_yield, resume_batch, live_guarded
  std::uint64_t nested_largest = 0;  // and resume_yield_nested
  std::uint64_t dense_largest = 0;   // and the same three in the dense class
  std::uint64_t ring_largest = 0, dense_ring_largest = 0;
  std::uint64_t cold_count = 0;  // fibers of one cold_create
  int cold_runs = 0;
  int runs = 0;               // samples of each size
  std::size_t pairs = 0;      // switches of one sample, at least
  double growth_limit_s = 0;  // a population stops growing when it has taken that long
  double start_limit_s = 0;   // nothing new is begun after that time
  bool counters = false;
};
[[nodiscard]] fibers_plan plan_fibers(const bench_options& options, std::uint64_t available_bytes,
                                      std::vector<std::string>& notes);

// A population that grows from one fiber by doubling; at each size its switches are measured, at a few its memory.
void measure_population(child_output& out, const fibers_plan& plan, suspend_place place, std::size_t stack_bytes,
                        const std::string& library, std::uint64_t largest);
void measure_transfers(child_output& out, const fibers_plan& plan, std::size_t stack_bytes, const std::string& library,
                       std::uint64_t largest);
void measure_creation(child_output& out, const fibers_plan& plan, std::size_t stack_bytes, const std::string& library);
// One sample each, in a child of its own: fresh stacks started; and the anchor, a guard and a touched page in raw
// memory, slot by slot, that nothing can beat without another kind of guard.
void measure_cold_create(child_output& out, std::uint64_t count, std::size_t stack_bytes, const std::string& library);
void measure_guard_and_touch(child_output& out, std::uint64_t count, std::size_t slot_bytes,
                             const std::string& library);

// Whether any fiber of ours was measured: not when no stack could be guarded.
[[nodiscard]] bool has_our_results(const bench_report& report);
void print_conditions(const machine_facts& facts);
void print_fibers_tables(const bench_report& report);
void write_fibers_plot(const std::string& file, const bench_report& report, const std::vector<bench_result>& peers);

}  // namespace ramie::app
