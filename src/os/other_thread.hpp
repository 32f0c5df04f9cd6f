// What another thread of this process is doing, without disturbing it: a signal would end the system call that it waits
// in.
//
// Any thread; nothing here throws. What is read may have changed by the time it is looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace ramie::os {

// A thread that waits in the kernel.
struct kernel_stay {
  long call = -1;  // the system call's number; -1: none, it waits for a page
  std::uintptr_t sp = 0, pc = 0;
};
// Empty: it runs, has ended, or this kernel does not say.
std::optional<kernel_stay> where_in_kernel(int thread_number) noexcept;

// Of this process's own memory, which may be gone meanwhile: false then, and where the kernel or its filter refuses.
bool copy_if_there(void* into, const void* from, std::size_t bytes) noexcept;

}  // namespace ramie::os
