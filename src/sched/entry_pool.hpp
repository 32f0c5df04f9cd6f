// Entries of set timers, in slabs: who walks over them touches few pages. One thread.
//
// Last in, first out. When none is out, all slabs but one may go back: a program whose sleepers come in waves asks for
// them once a wave.
#pragma once

#include "park/timer.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace ramie::inline v0::sched {

class entry_pool {
 public:
  // Null: there is no memory.
  [[nodiscard]] parking::timer_entry* take() noexcept {
    if (free_ == nullptr && !grow()) [[unlikely]]
      return nullptr;
    parking::timer_entry* one = free_;
    free_ = static_cast<parking::timer_entry*>(one->next);
    return one;
  }
  void give_back(parking::timer_entry& one) noexcept {
    one.next = free_;
    free_ = &one;
  }
  // None is out.
  void shrink() noexcept {
    if (slabs_ == nullptr || slabs_->older == nullptr) return;
    drop_older();
    free_ = nullptr;
    string_up(*slabs_);
  }

  entry_pool() = default;
  entry_pool(const entry_pool&) = delete;
  entry_pool& operator=(const entry_pool&) = delete;
  ~entry_pool() {
    if (slabs_ != nullptr) drop_older();
  }

 private:
  struct slab {
    std::unique_ptr<slab> older;
    std::array<parking::timer_entry, 2047> entries;  // 64 KiB with malloc's words
  };
  bool grow() noexcept {
    std::unique_ptr<slab> made(new (std::nothrow) slab);
    if (made == nullptr) return false;
    made->older = std::move(slabs_);
    slabs_ = std::move(made);
    string_up(*slabs_);
    return true;
  }
  void string_up(slab& all) noexcept {
    for (std::size_t i = all.entries.size(); i != 0; --i) give_back(all.entries[i - 1]);
  }
  // One after the other: destructors that call each other would go as deep as there are slabs.
  void drop_older() noexcept {
    while (slabs_->older != nullptr) slabs_->older = std::move(slabs_->older->older);
  }

  std::unique_ptr<slab> slabs_;
  parking::timer_entry* free_ = nullptr;
};

}  // namespace ramie::inline v0::sched
