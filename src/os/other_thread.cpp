#include "os/other_thread.hpp"

#include "os/procfs.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <new>
#include <string>

namespace ramie::os {

// proc(5), /proc/PID/syscall: "running", or the number, six arguments, the stack pointer and the program counter; the
// arguments are left out where the number is -1.
std::optional<kernel_stay> where_in_kernel(int thread_number) noexcept {
  try {
    const file_text said = read_text("/proc/self/task/" + std::to_string(thread_number) + "/syscall");
    if (!said || said.text.empty() || said.text[0] == 'r') return std::nullopt;
    kernel_stay stay;
    const char* at = said.text.c_str();
    char* end = nullptr;
    stay.call = std::strtol(at, &end, 10);
    if (end == at) return std::nullopt;
    while (*end != 0 && *end != '\n') {  // the last two
      stay.sp = stay.pc;
      at = end;
      stay.pc = std::strtoull(at, &end, 16);
      if (end == at) return std::nullopt;
    }
    return stay;
  } catch (const std::bad_alloc&) {
    return std::nullopt;
  }
}

bool copy_if_there(void* into, const void* from, std::size_t bytes) noexcept {
  const iovec to = {into, bytes}, source = {const_cast<void*>(from), bytes};
  const int saved = errno;
  const ssize_t copied = process_vm_readv(getpid(), &to, 1, &source, 1, 0);
  errno = saved;
  return copied >= 0 && static_cast<std::size_t>(copied) == bytes;
}

}  // namespace ramie::os
