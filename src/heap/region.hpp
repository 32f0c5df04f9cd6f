// Memory that grows at its end and never moves: a reservation, opened from the start as needed.
//
// Owner thread. All of a heap's tables and bitmaps live in such regions, never on the C++ heap: growing them cannot
// move them (the collector holds pointers), an untouched part costs nothing, and none of their pages holds anything but
// the collector's own words, so what a collection writes is what it copies after a fork.
#pragma once

#include "base/check.hpp"
#include "os/heap_memory.hpp"

#include <cstddef>
#include <cstdint>

namespace ramie::heaps {

class region {
 public:
  region() = default;
  // Throws heap_full when the system refuses the address space.
  region(std::size_t bytes, std::size_t alignment_bytes, std::size_t step_bytes, const char* purpose);
  ~region();
  region(region&& other) noexcept;
  region& operator=(region&& other) noexcept;

  // Opens at least the first `bytes`. False: beyond the reservation, or the system refused; nothing has changed then.
  [[nodiscard]] bool ensure(std::size_t bytes) noexcept;
  // Gives the pages of [from, to) back; they stay open and read as zero.
  void discard(std::size_t from_bytes, std::size_t to_bytes) noexcept;

  [[nodiscard]] std::byte* begin() const noexcept { return begin_; }
  [[nodiscard]] std::size_t open_bytes() const noexcept { return open_bytes_; }
  [[nodiscard]] std::size_t reserved_bytes() const noexcept { return reserved_bytes_; }

 private:
  std::byte* begin_ = nullptr;
  std::size_t reserved_bytes_ = 0;
  std::size_t open_bytes_ = 0;
  std::size_t step_bytes_ = 0;
};

// A region seen as an array. Elements are zero until written.
template <class T>
class table {
 public:
  table() = default;
  table(std::size_t count, const char* purpose) : region_(count * sizeof(T), 0, std::size_t{256} << 10, purpose) {}
  [[nodiscard]] bool ensure(std::size_t count) noexcept { return region_.ensure(count * sizeof(T)); }
  [[nodiscard]] T& operator[](std::size_t at) const noexcept { return data()[at]; }
  [[nodiscard]] T* data() const noexcept { return reinterpret_cast<T*>(region_.begin()); }
  [[nodiscard]] std::size_t count() const noexcept { return region_.open_bytes() / sizeof(T); }
  [[nodiscard]] std::size_t open_bytes() const noexcept { return region_.open_bytes(); }
  void zero() noexcept { region_.discard(0, region_.open_bytes()); }

 private:
  region region_;
};

}  // namespace ramie::heaps
