#include "diagnose/fuzz.hpp"

#include "diagnose/child.hpp"
#include "diagnose/report.hpp"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

namespace ramie::test {
namespace {

constexpr std::size_t page = 4096;
constexpr int ordinary = MAP_PRIVATE | MAP_ANONYMOUS;

using engine = std::mt19937_64;

std::size_t between(engine& random, std::size_t least, std::size_t most) {
  return std::uniform_int_distribution<std::size_t>(least, std::max(least, most))(random);
}

// One piece of a layout, mapped at `where`; false when the kernel refuses, which is an answer too.
bool make_piece(engine& random, char* where, std::size_t bytes, unsigned plain_percent) {
  bool plain = between(random, 0, 99) < plain_percent;
  unsigned kind = plain ? 0 : static_cast<unsigned>(between(random, 1, 13));
  int protection = kind == 1 ? PROT_READ : kind == 2 ? PROT_NONE : PROT_READ | PROT_WRITE;
  int flags =
      MAP_FIXED | MAP_ANONYMOUS | (kind == 3 ? MAP_SHARED : MAP_PRIVATE) | (kind == 4 || kind == 5 ? MAP_NORESERVE : 0);
  void* at = mmap(where, bytes, protection, flags, -1, 0);
  if (at == MAP_FAILED) return false;
  switch (kind) {
    case 2:
      return mprotect(at, bytes, PROT_READ | PROT_WRITE) == 0 || errno == ENOMEM;  // opened later
    case 5:
      return mprotect(at, bytes, PROT_NONE) == 0;
    case 6:
      return madvise(at, bytes, MADV_DONTFORK) == 0;
    case 7:
      return madvise(at, bytes, MADV_WIPEONFORK) == 0;
    case 8:  // touched, then closed: still accounted
      *where = 1;
      return mprotect(at, bytes, PROT_NONE) == 0;
    case 9:
      return mprotect(at, bytes, PROT_NONE) == 0;  // closed untouched: given back
    case 10:
      return mprotect(at, bytes, PROT_READ) == 0;
    case 11:
      return madvise(at, bytes, MADV_DONTFORK) == 0 && madvise(at, bytes, MADV_DOFORK) == 0;
    case 12:
      return munmap(where + bytes / 2 / page * page, page) == 0;  // a hole
    default:
      return true;
  }
}

// How much address space a layout aims at, so that about half of the forks fail.
std::size_t aim(engine& random, const os::machine& machine) {
  double least = 0.3, most = 4;
  double base = static_cast<double>(machine.memory + machine.swap);
  if (machine.overcommit_mode == 2) {
    base = static_cast<double>(machine.commit_limit - std::min(machine.commit_limit, machine.committed));
    least = 0.05;
    most = 0.9;
  }
  return static_cast<std::size_t>(base * std::uniform_real_distribution<double>(least, most)(random));
}

void lay_out(engine& random, const os::machine& machine) {
  std::size_t total = aim(random, machine);
  std::size_t pieces = between(random, 1, 12);
  void* reserved = mmap(nullptr, total + total / 2, PROT_NONE, ordinary | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return;
  char* at = static_cast<char*>(reserved);
  char* end = at + total + total / 2;
  unsigned plain_percent = std::array{10U, 60U, 95U}[between(random, 0, 2)];
  // Mostly side by side: merging is what makes mappings too large.
  bool scattered = between(random, 0, 3) == 0;
  for (std::size_t i = 0; i != pieces; ++i) {
    std::size_t bytes = std::max(page, total / pieces * between(random, 50, 150) / 100 / page * page);
    if (at + bytes > end) break;
    make_piece(random, at, bytes, plain_percent);
    at += bytes;
    if (between(random, 0, scattered ? 1 : 19) == 0) at += page;
  }
}

enum : unsigned char { answered, right_, failed_, borderline_, vfork_right, spawn_right, old_right, fields };

bool agrees(diagnose::outcome told, const attempt& real) {
  if (told == diagnose::outcome::borderline) return true;
  return (told == diagnose::outcome::works) == real.worked() && told != diagnose::outcome::unknown;
}

struct answer {
  std::array<bool, fields> field{};
  std::array<char, 400> text{};
};

answer judge_layout(std::uint64_t seed) {
  engine random(seed);
  lay_out(random, os::read_machine({}));
  diagnose::report about = diagnose::examine({}, getpid(), {});
  diagnose::process_facts& facts = about.facts;
  attempt forked = try_fork(), vforked = try_vfork(), spawned = try_spawn();
  answer result;
  auto& field = result.field;
  field[answered] = true;
  field[borderline_] = about.fork.fork == diagnose::outcome::borderline;
  field[right_] = agrees(about.fork.fork, forked);
  field[failed_] = !forked.worked();
  field[vfork_right] = agrees(about.fork.vfork, vforked);
  field[spawn_right] = agrees(about.fork.spawn, spawned);
  diagnose::read_details({}, facts);
  std::uint64_t largest = 0;
  for (std::size_t i = 0; i != facts.maps.mappings.size(); ++i) {
    if (facts.maps.details[i].accounted()) largest = std::max(largest, facts.maps.mappings[i].bytes());
  }
  field[old_right] = (largest <= about.machine.memory_free) == forked.worked();
  if (!field[right_] || !field[vfork_right] || !field[spawn_right]) {
    std::snprintf(result.text.data(), result.text.size(), "layout seed %llu: told %s/%s/%s, happened %d/%d/%d; %s",
                  static_cast<unsigned long long>(seed), word_for(about.fork.fork).data(),
                  word_for(about.fork.vfork).data(), word_for(about.fork.spawn).data(), forked.error, vforked.error,
                  spawned.error, about.fork.decisive().why.c_str());
  }
  return result;
}

answer ask(std::uint64_t seed) {
  answer result;
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return result;
  std::fflush(nullptr);
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    answer mine = judge_layout(seed);
    _exit(write(ends[1], &mine, sizeof mine) == sizeof mine ? 0 : 1);
  }
  close(ends[1]);
  if (child < 0 || read(ends[0], &result, sizeof result) != sizeof result) result = {};
  close(ends[0]);
  while (child > 0 && waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
  return result;
}

// A layout in mode 2 may take all that can be committed: what judging it needs is taken before, and kept.
void reserve_heap() {
  mallopt(M_MMAP_THRESHOLD, 1 << 25);  // the most that it takes
  mallopt(M_TRIM_THRESHOLD, 1 << 28);
  void* volatile kept = std::malloc(4 << 20);
  std::free(kept);
}

}  // namespace

fuzz_result fuzz_forks(unsigned layouts, std::uint64_t seed) {
  fuzz_result total;
  reserve_heap();
  for (unsigned i = 0; i != layouts; ++i) {
    answer one = ask(seed * 1000003 + i);
    ++total.layouts;
    if (!one.field[answered]) {
      ++total.lost;
      continue;
    }
    total.forks_failed += one.field[failed_];
    total.borderline += one.field[borderline_];
    if (!one.field[borderline_]) ++(one.field[right_] ? total.fork_right : total.fork_wrong);
    total.vfork_wrong += !one.field[vfork_right];
    total.spawn_wrong += !one.field[spawn_right];
    total.old_tool_right += one.field[old_right];
    if (total.first_wrong.empty()) total.first_wrong = one.text.data();
  }
  return total;
}

std::string fuzz_result::summary(int mode, std::uint64_t seed) const {
  std::array<char, 400> text{};
  std::snprintf(
      text.data(), text.size(),
      "mode %d, seed %llu: %u layouts, %u forks really failed; verdicts right %u of %u (%u within 1 %% of the boundary "
      "not counted); vfork wrong %u, posix_spawn wrong %u, lost %u; largest mapping against MemFree right %u",
      mode, static_cast<unsigned long long>(seed), layouts, forks_failed, fork_right, fork_right + fork_wrong,
      borderline, vfork_wrong, spawn_wrong, lost, old_tool_right);
  return text.data();
}

}  // namespace ramie::test
