#include "os/thread_stack.hpp"

#include "os/memory.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>

#include <algorithm>

namespace ramie::os {
namespace {

std::size_t with_kernels_frame(std::size_t handler_bytes) noexcept {
  const std::size_t page = page_bytes();
  return (std::max<std::size_t>(getauxval(AT_MINSIGSTKSZ), MINSIGSTKSZ) + handler_bytes + page - 1) / page * page;
}

}  // namespace

stack_bounds own_stack_bounds() noexcept {
  pthread_attr_t attributes;
  void* low = nullptr;
  std::size_t bytes = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return {};
  const bool known = pthread_attr_getstack(&attributes, &low, &bytes) == 0;
  pthread_attr_destroy(&attributes);
  if (!known) return {};
  return {reinterpret_cast<std::uintptr_t>(low), reinterpret_cast<std::uintptr_t>(low) + bytes};
}

void* add_signal_stack(std::size_t handler_bytes) noexcept {
  const std::size_t bytes = with_kernels_frame(handler_bytes);
  stack_t present{};
  if (sigaltstack(nullptr, &present) != 0) return nullptr;
  if ((present.ss_flags & SS_DISABLE) == 0 && present.ss_size >= bytes) return nullptr;
  void* place = reserve(bytes);
  if (place == nullptr) return nullptr;
  stack_t mine{};
  mine.ss_sp = place;
  mine.ss_size = bytes;
  if (open(place, bytes) != 0 || sigaltstack(&mine, nullptr) != 0) {
    give_back(place, bytes);
    return nullptr;
  }
  return place;
}

void remove_signal_stack(void* added, std::size_t handler_bytes) noexcept {
  if (added == nullptr) return;
  stack_t present{};
  if (sigaltstack(nullptr, &present) == 0 && present.ss_sp == added) {
    stack_t off{};
    off.ss_flags = SS_DISABLE;
    sigaltstack(&off, nullptr);
  }
  give_back(added, with_kernels_frame(handler_bytes));
}

}  // namespace ramie::os
