#include "os/heap_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace ramie::os::heap_memory {

std::byte* reserve(std::size_t bytes, std::size_t alignment_bytes) noexcept {
  const std::size_t slack_bytes = alignment_bytes > page_bytes ? alignment_bytes : 0;
  void* mapped = mmap(nullptr, bytes + slack_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* first = static_cast<std::byte*>(mapped);
  if (slack_bytes == 0) return first;
  const auto address = reinterpret_cast<std::uintptr_t>(first);
  const std::size_t before = (alignment_bytes - address % alignment_bytes) % alignment_bytes;
  if (before != 0) munmap(first, before);
  if (slack_bytes != before) munmap(first + before + bytes, slack_bytes - before);
  return first + before;
}

void release(std::byte* begin, std::size_t bytes) noexcept { munmap(begin, bytes); }

int open(std::byte* begin, std::size_t bytes) noexcept {
  return mprotect(begin, bytes, PROT_READ | PROT_WRITE) == 0 ? 0 : errno;
}

int discard(std::byte* begin, std::size_t bytes) noexcept {
  return madvise(begin, bytes, MADV_DONTNEED) == 0 ? 0 : errno;
}

void advise(std::byte* begin, std::size_t bytes, page_size wish) noexcept {
  if (wish == page_size::system_choice) return;
  static_cast<void>(madvise(begin, bytes, wish == page_size::huge_wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE));
}

std::byte* map_wiped_on_fork() noexcept {
  void* mapped = mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  if (madvise(mapped, page_bytes, MADV_WIPEONFORK) == 0) return static_cast<std::byte*>(mapped);
  munmap(mapped, page_bytes);
  return nullptr;
}

namespace {

// "Name:   123 kB" lines; a line that is not there counts as zero.
std::size_t field_bytes(std::string_view text, std::string_view name) noexcept {
  const std::size_t at = text.find(name);
  if (at == std::string_view::npos) return 0;
  const std::size_t digits = text.find_first_not_of(' ', at + name.size());
  std::size_t kib = 0;
  if (digits != std::string_view::npos) std::from_chars(text.data() + digits, text.data() + text.size(), kib);
  return kib * 1024;
}

}  // namespace

std::optional<memory_use> read_memory_use(int process) noexcept {
  char path[64];
  if (process == 0) {
    std::snprintf(path, sizeof path, "/proc/self/smaps_rollup");
  } else {
    std::snprintf(path, sizeof path, "/proc/%d/smaps_rollup", process);
  }
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  char buffer[4096];
  const ssize_t length = read(file, buffer, sizeof buffer);
  close(file);
  if (length <= 0) return std::nullopt;
  const std::string_view text(buffer, static_cast<std::size_t>(length));
  return memory_use{.resident_bytes = field_bytes(text, "\nRss:"),
                    .proportional_bytes = field_bytes(text, "\nPss:"),
                    .private_dirty_bytes = field_bytes(text, "\nPrivate_Dirty:"),
                    .shared_bytes = field_bytes(text, "\nShared_Clean:") + field_bytes(text, "\nShared_Dirty:")};
}

}  // namespace ramie::os::heap_memory
