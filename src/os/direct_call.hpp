// recv(2) and send(2) without libc's wrappers, which in a program of several threads make each call a point where the
// thread may be cancelled, and without errno: in samples of an echo server that was 1 to 2 percent.
//
// Any thread. The result, or -errno; errno stays as it was. Sanitizers see libc's calls only, and get those.
#pragma once

#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define RAMIE_DIRECT_CALLS 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define RAMIE_DIRECT_CALLS 0
#endif
#endif
#if !defined(RAMIE_DIRECT_CALLS)
#if defined(__x86_64__) && defined(__LP64__)
#define RAMIE_DIRECT_CALLS 1
#else
#define RAMIE_DIRECT_CALLS 0
#endif
#endif

namespace ramie::os {

#if RAMIE_DIRECT_CALLS
// Of a connected socket: no address.
[[gnu::always_inline]] inline long move_bytes(long call, int socket, const void* memory, std::size_t bytes,
                                              int flags) noexcept {
  register long r10 asm("r10") = flags;
  register long r8 asm("r8") = 0;
  register long r9 asm("r9") = 0;
  long result = call;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(static_cast<long>(socket)), "S"(memory), "d"(bytes), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}
[[gnu::always_inline]] inline long receive_now(int socket, void* memory, std::size_t bytes, int flags) noexcept {
  return move_bytes(SYS_recvfrom, socket, memory, bytes, flags);
}
[[gnu::always_inline]] inline long send_now(int socket, const void* memory, std::size_t bytes, int flags) noexcept {
  return move_bytes(SYS_sendto, socket, memory, bytes, flags);
}
#else
inline long receive_now(int socket, void* memory, std::size_t bytes, int flags) noexcept {
  const int before = errno;
  const long result = ::recv(socket, memory, bytes, flags);
  const int error = errno;
  errno = before;
  return result < 0 ? -error : result;
}
inline long send_now(int socket, const void* memory, std::size_t bytes, int flags) noexcept {
  const int before = errno;
  const long result = ::send(socket, memory, bytes, flags);
  const int error = errno;
  errno = before;
  return result < 0 ? -error : result;
}
#endif

}  // namespace ramie::os
