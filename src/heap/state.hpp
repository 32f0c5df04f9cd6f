// What a heap consists of, and the two things that need all of it: taking a cell and collecting.
//
// One thread at a time, the owner; `check_owner` is asked by every way in. Phases: idle; marking (a `trace` or a root
// source runs: any way in throws `collecting`); sweeping (nothing of the user's runs). Destructors of what died run
// idle, one object at a time, and may do whatever a program may, also collect.
//
// An object with a destructor goes: allocated, flag set when its constructor has returned → found dead: doomed, and
// kept once more with all it refers to → flag and doom cleared, destructor run → found dead again: its cell is free.
// Whoever stored a pointer to it meanwhile keeps the memory, which is then read word by word, and never a second run.
#pragma once

#include "heap/bins.hpp"
#include "heap/block_space.hpp"
#include "heap/marker.hpp"
#include "heap/parked_roots.hpp"
#include "heap/root_table.hpp"

#include <ramie/heap.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace ramie::heaps {

// A number per thread that is never used again, also not by a forked child's threads. 0 is nobody.
std::uint64_t this_thread_number() noexcept;

enum class phase : std::uint8_t { idle, marking, sweeping };

struct attached_source {
  root_source* source;
  std::unique_ptr<parked_roots> parked;
};

struct state {
  explicit state(const heap_options& given);
  ~state();
  state(const state&) = delete;
  state& operator=(const state&) = delete;

  void check_owner() const;
  // A cell for the type, its allocation bit set. Throws heap_full.
  cell_place take_cell(const heap_type& type, std::size_t tail_bytes);
  void collect();
  void seal();
  void unseal();
  void adopt();
  void run_all_destructors() noexcept;
  [[nodiscard]] heap_statistics count() const;
  [[nodiscard]] std::vector<std::string> verify() const;

  heap_options options;
  block_space space;
  bins bin_table;
  root_table roots;
  marker marks;
  std::unique_ptr<pins> pinned;  // from the first source on
  std::vector<attached_source> sources;

  std::uint64_t owner;
  phase now = phase::idle;
  bool is_frozen = false;
  bool destroying = false;      // in ~heap
  bool running_doomed = false;  // one loop at a time, however deep the collections
  std::byte* same_process;  // 1 here, 0 in a forked child until it has noticed; null where the system has no such page
  void** dying_slot;        // holds the object whose destructor is running
  std::size_t doomed_count = 0;
  std::size_t allocated_since = 0;
  std::size_t trigger_bytes;
  heap_statistics totals;  // the running ones

 private:
  cell_place take_small(const heap_type& type, std::uint32_t cell_bytes);
  cell_place take_large(const heap_type& type, std::size_t bytes);
  std::size_t run_within_limit(bin& of);
  [[nodiscard]] bool within_limit(std::size_t more_blocks) const noexcept;
  [[noreturn]] void throw_full(std::size_t asked_bytes) const;
  bool notice_fork() noexcept;
  void mark_all();
  void mark_roots();
  void mark_pinned() noexcept;
  void trace_pinned_doomed_sealed();
  void doom_dead();
  void sweep() noexcept;
  std::size_t list_blocks(bool after_marking) noexcept;
  void run_doomed();
  void destroy(cell_place at) noexcept;
};

}  // namespace ramie::heaps
