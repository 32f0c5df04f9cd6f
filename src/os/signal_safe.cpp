#include "os/signal_safe.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace ramie::os {

namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;

// One system call by number: hooks replace libc's names, and errno stays the interrupted code's.
template <typename... Arguments>
long call(long number, Arguments... arguments) noexcept {
  const int saved = errno;
  const long result = syscall(number, arguments...);
  const long answer = result < 0 ? -errno : result;
  errno = saved;
  return answer;
}

// True when the descriptor took up writing again within a second.
bool wait_until_writable(int descriptor) noexcept {
  pollfd entry = {.fd = descriptor, .events = POLLOUT, .revents = 0};
  timespec limit = {.tv_sec = 1, .tv_nsec = 0};
  return call(SYS_ppoll, &entry, 1UL, &limit, nullptr, 8UL) > 0;
}

// Reads lines of /proc/self/maps, which may be longer than any buffer: only their heads "low-high perms" matter.
class maps_reader {
 public:
  maps_reader() noexcept : descriptor_(call(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0)) {}
  maps_reader(const maps_reader&) = delete;
  maps_reader& operator=(const maps_reader&) = delete;
  ~maps_reader() {
    if (descriptor_ >= 0) call(SYS_close, descriptor_);
  }

  bool next(address_range& range, bool& readable) noexcept {
    range = {};
    if (!hex(range.low, '-') || !hex(range.high, ' ')) return false;
    readable = letter() == 'r';
    for (int got = 0; got != '\n';)
      if ((got = letter()) < 0) return false;
    return true;
  }

 private:
  bool hex(std::uintptr_t& number, char end) noexcept {
    for (int got = letter(); got >= 0; got = letter()) {
      if (got == end) return true;
      number = number * 16 + static_cast<unsigned>(got >= 'a' ? got - 'a' + 10 : got - '0');
    }
    return false;
  }
  int letter() noexcept {
    if (at_ == size_) {
      const long got = descriptor_ < 0 ? 0 : call(SYS_read, descriptor_, memory_, sizeof memory_);
      if (got <= 0) return -1;
      at_ = 0;
      size_ = static_cast<std::size_t>(got);
    }
    return memory_[at_++];
  }

  long descriptor_;
  std::size_t at_ = 0;
  std::size_t size_ = 0;
  char memory_[1024];  // NOLINT: filled by the first read
};

}  // namespace

int write_all(int descriptor, std::string_view text) noexcept {
  while (!text.empty()) {
    const long wrote = call(SYS_write, descriptor, text.data(), text.size());
    if (wrote > 0) {
      text.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (wrote == -EAGAIN) {
      if (!wait_until_writable(descriptor)) return EAGAIN;
    } else if (wrote != -EINTR) {
      return wrote == 0 ? EIO : static_cast<int>(-wrote);
    }
  }
  return 0;
}

std::string_view read_file(const char* path, std::span<char> memory) noexcept {
  const long descriptor = call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (descriptor < 0) return {};
  std::size_t size = 0;
  while (size < memory.size()) {
    const long got = call(SYS_read, descriptor, memory.data() + size, memory.size() - size);
    if (got == -EINTR) continue;
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  call(SYS_close, descriptor);
  return {memory.data(), size};
}

std::string_view read_link(const char* path, std::span<char> memory) noexcept {
  const long got = call(SYS_readlinkat, AT_FDCWD, path, memory.data(), memory.size());
  return got <= 0 ? std::string_view() : std::string_view(memory.data(), static_cast<std::size_t>(got));
}

bool may_execute(const char* path) noexcept { return call(SYS_faccessat, AT_FDCWD, path, X_OK) == 0; }

address_range mapping_of(std::uintptr_t address) noexcept {
  maps_reader maps;
  address_range range;
  bool readable = false;
  while (maps.next(range, readable))
    if (range.holds(address)) return readable ? range : address_range{};
  return {};
}

std::uintptr_t program_entry() noexcept { return getauxval(AT_ENTRY); }

int process_number() noexcept { return static_cast<int>(call(SYS_getpid)); }
int thread_number() noexcept { return static_cast<int>(call(SYS_gettid)); }

std::uint64_t monotonic_ns() noexcept {
  timespec now = {};
  call(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * second_ns + static_cast<std::uint64_t>(now.tv_nsec);
}

void sleep_ns(std::uint64_t duration_ns) noexcept {
  timespec duration = {.tv_sec = static_cast<time_t>(duration_ns / second_ns),
                       .tv_nsec = static_cast<long>(duration_ns % second_ns)};
  call(SYS_nanosleep, &duration, nullptr);
}

}  // namespace ramie::os
