#include "stack/arena.hpp"

#include "base/check.hpp"
#include "os/memory.hpp"
#include "os/own_limits.hpp"
#include "stack/guard_ladder.hpp"
#include "stack/mapping_budget.hpp"
#include "stack/refusal.hpp"

#include <errno.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace ramie::stack {
namespace {

constexpr std::size_t least_step_bytes = std::size_t{2} << 20;
constexpr std::size_t most_step_bytes = std::size_t{32} << 20;

// Sixteen cache lines of offset: they spread stack tops over the cache's sets and still leave a shallow stack on one
// page (4,097 bytes resident); sixty-four would push it onto two. Multiplying by seven keeps neighbours apart.
constexpr std::size_t colours = 16;
std::uint16_t colour_of(std::size_t index) noexcept { return static_cast<std::uint16_t>((index * 7 % colours) * 64); }

std::size_t rounded_up(std::size_t bytes, std::size_t unit) noexcept { return (bytes + unit - 1) / unit * unit; }

}  // namespace

arena::arena(size_class shape, ramie::guard kind, std::size_t bytes)
    : shape_(shape), kind_(kind), capacity_(std::max<std::size_t>(1, bytes / shape.stride_bytes)) {
  void* place = os::reserve(total_bytes());
  while (place == nullptr && capacity_ > 1) {
    capacity_ /= 2;
    place = os::reserve(total_bytes());
  }
  if (place == nullptr) throw explain_refusal(errno, "mmap", total_bytes());
  base_ = reinterpret_cast<std::uintptr_t>(place);
  // A whole reservation is one mapping, so all of it is advised before any of it is opened; the records too, or they
  // would stay a mapping of their own when the arena is full.
  os::never_huge(place, total_bytes());
  os::unlock(place, total_bytes());  // mlockall(MCL_FUTURE) would populate each step and forbid guards
  int error = guard_ladder::instance().adopt(kind, place, total_bytes());
  records_ = reinterpret_cast<slot*>(base_ + capacity_ * shape.stride_bytes);
  if (error == 0) error = os::open(records_, total_bytes() - capacity_ * shape.stride_bytes);
  if (error != 0) {
    os::give_back(place, total_bytes());
    throw explain_refusal(error, "reserving stacks", total_bytes());
  }
}

arena::~arena() { os::give_back(reinterpret_cast<void*>(base_), total_bytes()); }

std::size_t arena::total_bytes() const noexcept {
  return capacity_ * shape_.stride_bytes + rounded_up(capacity_ * sizeof(slot), os::page_bytes());
}

std::size_t arena::step_slots() const noexcept {
  // A step grows with what is open, so that a million stacks take hundreds of system calls and the first one few.
  const std::size_t open_bytes = opened_ * shape_.stride_bytes;
  const std::size_t step_bytes = std::clamp(open_bytes / 8, least_step_bytes, most_step_bytes);
  return std::max<std::size_t>(1, step_bytes / shape_.stride_bytes);
}

std::size_t arena::open_more(slot*& list, std::size_t wanted) {
  std::size_t count = std::min(capacity_ - opened_, step_slots());
  // An mprotect guard costs two mappings, so there no more are made than somebody wants.
  if (kind_ == ramie::guard::mprotect && wanted != 0) count = std::min(count, wanted);
  if (count == 0) return 0;
  mapping_budget& budget = mapping_budget::instance();
  if (kind_ == ramie::guard::mprotect) count = budget.take_guards(count);

  const std::uintptr_t first = base_ + opened_ * shape_.stride_bytes;
  int error = os::open(reinterpret_cast<void*>(first), count * shape_.stride_bytes);
  if (error != 0) {
    if (kind_ == ramie::guard::mprotect) budget.return_guards(count);
    throw explain_refusal(error, "opening stacks (mprotect)", count * shape_.stride_bytes);
  }
  guard_range(opened_, count);

  slot* chain = list;
  for (std::size_t i = count; i-- > 0;) {
    const std::size_t index = opened_ + i;
    slot* record = new (records_ + index) slot;
    record->low = guard_address(index) + shape_.guard_bytes;
    record->usable_bytes = static_cast<std::uint32_t>(shape_.usable_bytes());
    record->colour_bytes = colour_of(index);
    record->class_index = static_cast<std::uint8_t>(shape_.index);
    record->guard = kind_;
    record->next = chain;
    chain = record;
  }
  opened_ += count;
  list = chain;
  return count;
}

int arena::try_guard_range(std::size_t first, std::size_t count) const noexcept {
  constexpr std::size_t most = 512;
  std::uintptr_t addresses[most];
  for (std::size_t done = 0; done < count;) {
    const std::size_t part = std::min(most, count - done);
    for (std::size_t i = 0; i < part; ++i) addresses[i] = guard_address(first + done + i);
    const int error = guard_ladder::instance().install(kind_, addresses, part, shape_.guard_bytes);
    if (error != 0) return error;
    done += part;
  }
  return 0;
}

void arena::guard_range(std::size_t first, std::size_t count) {
  int error = try_guard_range(first, count);
  if (error == EINVAL || error == EEXIST) {
    // mlockall() came after the reservation: locked pages carry no markers and are populated when opened.
    os::unlock(reinterpret_cast<void*>(base_), total_bytes());
    os::drop(reinterpret_cast<void*>(guard_address(first)), count * shape_.stride_bytes);
    error = try_guard_range(first, count);
  }
  if (error == 0) return;
  // Nothing of this step is handed out: it is closed again, guards and all.
  os::close(reinterpret_cast<void*>(guard_address(first)), count * shape_.stride_bytes);
  if (kind_ == ramie::guard::mprotect) mapping_budget::instance().return_guards(count);
  if (!guard_ladder::instance().still_in_force(kind_)) throw guard_lost(name_of(kind_));
  if (error != ENOMEM) throw no_guard(name_of(kind_), std::strerror(error));
  throw explain_refusal(error, "guarding stacks", shape_.guard_bytes);
}

slot* arena::slot_at(std::uintptr_t address) const noexcept {
  if (address < base_) return nullptr;
  const std::size_t index = (address - base_) / shape_.stride_bytes;
  return index < opened_ ? records_ + index : nullptr;
}

int arena::renew_in_child() noexcept {
  auto& ladder = guard_ladder::instance();
  int error = ladder.adopt(kind_, reinterpret_cast<void*>(base_), total_bytes());
  const bool inherited = kind_ != ramie::guard::wp && kind_ != ramie::guard::wp_populated;
  for (std::size_t index = 0; index < opened_ && error == 0 && !inherited; ++index) {
    const std::uintptr_t address = guard_address(index);
    error = ladder.install(kind_, &address, 1, shape_.guard_bytes);
  }
  if (error == 0 && ladder.probe(guard_address(0)) != 0) error = EXDEV;
  return error;
}

}  // namespace ramie::stack
