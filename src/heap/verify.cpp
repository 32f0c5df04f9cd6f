// Reads a whole heap and says what contradicts what. The invariants are those of block_space.hpp and parked_roots.hpp.
#include "heap/state.hpp"

#include <bit>
#include <cstdarg>
#include <cstdio>

namespace ramie::heaps {

namespace {

constexpr std::size_t most_faults = 16;

// Judges at once what a `trace` shows, with a buffer of one.
class verifier final : visitor {
 public:
  verifier(const state& of, std::vector<std::string>& faults)
      : visitor(&shown_, &shown_ + 1, &next_one), of_(of), faults_(faults) {
    wanted_begin_ = of.space.base();
    wanted_bytes_ = of.space.end_bytes();
  }

  void check_object(cell_place at) {
    holder_ = at;
    const heap_type& type = *of_.space[at.block].type;
    const bool whole = type.destroy == nullptr || (of_.space.destructor(at.block)[at.cell / 64] & bit_of(at.cell)) != 0;
    if (type.trace == nullptr || !whole) return;
    type.trace(of_.space.address_of(at), *this);
    judge();
  }

  void check_pointer(std::uintptr_t address, const char* holder) {
    cell_place at;
    if (address - of_.space.base() >= of_.space.end_bytes()) return;
    if (of_.space.find(address, at) && of_.space.is_allocated(at)) return;
    fault("%s refers to %p, where no object lives", holder, reinterpret_cast<const void*>(address));
  }

  __attribute__((format(printf, 2, 3))) void fault(const char* format, ...) {
    if (faults_.size() >= most_faults) return;
    char text[384];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    faults_.emplace_back(text);
  }

 private:
  static void next_one(visitor& self) { static_cast<verifier&>(self).judge(); }
  void judge() {
    if (next_ == &shown_) return;
    next_ = &shown_;
    const std::string_view name = of_.space[holder_.block].type->name;
    char holder[256];
    std::snprintf(holder, sizeof holder, "the object at %p (%.*s)",
                  static_cast<const void*>(of_.space.address_of(holder_)), static_cast<int>(name.size()), name.data());
    check_pointer(shown_, holder);
  }

  const state& of_;
  std::vector<std::string>& faults_;
  std::uintptr_t shown_ = 0;
  cell_place holder_{};
};

void check_bits(const state& of, std::uint32_t number, verifier& out) {
  const block_space& space = of.space;
  const std::uint32_t cells = space[number].cell_count;
  for (std::uint32_t at = 0; at < space.words_of(number); ++at) {
    const std::uint32_t here = std::min(cells - at * 64, 64u);
    const std::uint64_t exist = here == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << here) - 1;
    const std::uint64_t allocated = space.allocated(number)[at];
    const std::uint64_t destructor = space.destructor(number)[at];
    if ((allocated & ~exist) != 0) out.fault("block %u: allocation bits of cells that do not exist", number);
    if ((destructor & ~allocated) != 0) out.fault("block %u: destructor flags of free cells", number);
    if ((space.doomed(number)[at] & ~destructor) != 0) out.fault("block %u: doomed without a destructor", number);
    if (space.is_sealed(number) && space.marked(number)[at] != allocated) {
      out.fault("block %u: sealed, but its marks differ from its allocation bits", number);
    }
    if (of.pinned && of.pinned->any_in(number) && (of.pinned->bits(number)[at] & ~allocated) != 0) {
      out.fault("block %u: free cells are pinned by parked roots", number);
    }
  }
}

void check_pins(const state& of, std::uint32_t number, verifier& out) {
  if (!of.pinned || !of.pinned->any_in(number)) return;
  for (std::uint32_t cell = 0; cell < of.space[number].cell_count; ++cell) {
    const bool bit = (of.pinned->bits(number)[cell / 64] & bit_of(cell)) != 0;
    if (bit != (of.pinned->count_of({number, cell}) != 0)) {
      out.fault("block %u cell %u: pinned bit and count differ", number, cell);
    }
  }
}

}  // namespace

std::vector<std::string> state::verify() const {
  std::vector<std::string> faults;
  verifier out(*this, faults);
  std::size_t used = 0;
  std::size_t doomed = 0;
  for (std::uint32_t number = 0; number < space.count(); ++number) {
    if (!space.in_use(number)) {
      if (pinned && pinned->any_in(number)) out.fault("block %u: free, but parked roots pin it", number);
      continue;
    }
    used += space.blocks_of(number);
    check_bits(*this, number, out);
    check_pins(*this, number, out);
    for (std::uint32_t at = 0; at < space.words_of(number); ++at) {
      doomed += static_cast<std::size_t>(std::popcount(space.doomed(number)[at]));
    }
    for_each_bit(
        space.words_of(number), [&](std::uint32_t at) { return space.allocated(number)[at]; },
        [&](std::uint32_t cell) {
          out.check_object({number, cell});
        });
  }
  if (used != space.used_blocks()) out.fault("%zu blocks in use, %zu counted", used, space.used_blocks());
  if (doomed != doomed_count) out.fault("%zu objects doomed, %zu counted", doomed, doomed_count);
  roots.for_each([&](std::uintptr_t content) { out.check_pointer(content & ~unfinished_bit, "a root"); });
  return faults;
}

}  // namespace ramie::heaps
