// Threads that we start, and the processors that they may use.
//
// Values in, values or errno out: who wants how many, and what a refusal means, is for others.
#pragma once

#include "os/procfs.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace ramie::os {

// Starts a thread that nobody joins and that gets no signal of the process. `name`: of the thread, its first 15 bytes.
// `stack_bytes`: 0 for the system's default. Returns 0, or errno: EAGAIN when a limit on threads is reached or there is
// no memory for its stack.
int start_detached_thread(const char* name, std::size_t stack_bytes, void (*body)(void*), void* argument) noexcept;

// A thread that its owner joins; signals as of whoever starts it. The destructor joins.
class joined_thread {
 public:
  joined_thread() noexcept = default;
  joined_thread(joined_thread&& other) noexcept;
  joined_thread& operator=(joined_thread&&) = delete;
  ~joined_thread() { join(); }

  // 0 or errno, as above.
  int start(const char* name, void (*body)(void*), void* argument) noexcept;
  void join() noexcept;

 private:
  std::uint64_t thread_ = 0;  // pthread_t
  bool started_ = false;
};

// The numbers of the processors that the calling thread may run on, ascending. Never empty.
std::vector<unsigned> allowed_processors();
// Lets the calling thread run on these only. 0 or errno.
int run_only_on(const std::vector<unsigned>& processors) noexcept;

// How much processor time the control groups above this process grant, in thousandths of a processor: the tightest.
std::optional<std::uint64_t> processor_quota_thousandths(const proc_root& root);
// How many threads of this process can run at a time, by affinity and by quota, the latter rounded up. At least 1.
unsigned usable_processors();

}  // namespace ramie::os
