#include "guard_baselines.hpp"

#include <sys/mman.h>

#include <cerrno>

namespace ramie::baseline {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t kernel_gap = 257 * page;  // stack_guard_gap, 256 pages, and one more
constexpr int anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

int map_at(std::uintptr_t address, std::size_t bytes, int protection, int flags) noexcept {
  return mmap(reinterpret_cast<void*>(address), bytes, protection, anonymous | MAP_FIXED | flags, -1, 0) == MAP_FAILED
             ? errno
             : 0;
}

int protect(std::uintptr_t address, std::size_t bytes, int protection) noexcept {
  return mprotect(reinterpret_cast<void*>(address), bytes, protection) == 0 ? 0 : errno;
}

}  // namespace

const char* name_of(stack_way way) noexcept {
  switch (way) {
    case stack_way::none:
      return "no-guard";
    case stack_way::mprotect_in_one:
      return "mprotect-in-one-mapping";
    case stack_way::two_mmaps:
      return "two-mmaps";
    case stack_way::growsdown:
      return "growsdown";
    case stack_way::populated:
      return "map-populate";
    case stack_way::locked:
      return "map-locked";
  }
  return "?";
}

raw_stacks::raw_stacks(stack_way way, std::size_t usable_bytes, std::size_t most)
    : way_(way),
      usable_bytes_(usable_bytes),
      stride_bytes_(usable_bytes + (way == stack_way::growsdown ? kernel_gap : page)) {
  const bool in_one = way == stack_way::none || way == stack_way::mprotect_in_one;
  const std::size_t bytes = most * stride_bytes_;
  void* place = mmap(nullptr, bytes, in_one ? PROT_READ | PROT_WRITE : PROT_NONE, anonymous, -1, 0);
  if (place == MAP_FAILED) return;
  if (in_one) madvise(place, bytes, MADV_NOHUGEPAGE);
  // The others map each stack themselves, into space that nobody else has.
  if (!in_one) munmap(place, bytes);
  base_ = reinterpret_cast<std::uintptr_t>(place);
}

int raw_stacks::make_one() noexcept {
  const std::uintptr_t bottom = base_ + made_ * stride_bytes_, low = this->low(made_), high = this->high(made_);
  int error = 0;
  switch (way_) {
    case stack_way::none:
      break;
    case stack_way::mprotect_in_one:
      error = protect(bottom, page, PROT_NONE);
      break;
    case stack_way::two_mmaps:
      error = map_at(low, usable_bytes_, PROT_READ | PROT_WRITE, 0);
      if (error == 0) error = map_at(bottom, page, PROT_NONE, 0);
      break;
    case stack_way::growsdown:
      error = map_at(high - page, page, PROT_READ | PROT_WRITE, MAP_GROWSDOWN | MAP_STACK);
      break;
    case stack_way::populated:
    case stack_way::locked:
      error = map_at(bottom, usable_bytes_ + page, PROT_READ | PROT_WRITE,
                     way_ == stack_way::locked ? MAP_LOCKED : MAP_POPULATE);
      if (error == 0) error = protect(bottom, page, PROT_NONE);
      break;
  }
  if (error != 0) return error;
  *reinterpret_cast<volatile char*>(high - 1) = 1;
  ++made_;
  return 0;
}

}  // namespace ramie::baseline
