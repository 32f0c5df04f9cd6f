#include "bench_counters.hpp"

#include <fmt/core.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ramie::app {
namespace {

struct event {
  std::uint32_t type;
  std::uint64_t config;
};
constexpr std::uint64_t dtlb_read_misses =
    PERF_COUNT_HW_CACHE_DTLB | (PERF_COUNT_HW_CACHE_OP_READ << 8) | (PERF_COUNT_HW_CACHE_RESULT_MISS << 16);
constexpr event events[perf_counters::count] = {{PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
                                                {PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
                                                {PERF_TYPE_HW_CACHE, dtlb_read_misses},
                                                {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
                                                {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS}};

int open_event(const event& which) {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = which.type;
  attributes.config = which.config;
  attributes.disabled = 1;
  attributes.exclude_hv = 1;
  return static_cast<int>(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

}  // namespace

perf_counters::perf_counters() {
  int error = 0;
  for (std::size_t i = 0; i < count; ++i) {
    descriptors_[i] = open_event(events[i]);
    if (descriptors_[i] >= 0) continue;
    error = errno;
    missing_ += (missing_.empty() ? "" : ", ") + std::string(units[i]);
  }
  if (missing_.empty()) return;
  const char* cure = error == EACCES || error == EPERM
                         ? "lower kernel.perf_event_paranoid to 1, or allow perf_event_open in this container"
                         : "the kernel offers none here, as in most virtual machines";
  missing_ = fmt::format("counters not available: {} (perf_event_open: {}; {})", missing_, strerror(error), cure);
}

perf_counters::~perf_counters() {
  for (const int descriptor : descriptors_) {
    if (descriptor >= 0) close(descriptor);
  }
}

void perf_counters::start() noexcept {
  for (const int descriptor : descriptors_) {
    if (descriptor < 0) continue;
    ioctl(descriptor, PERF_EVENT_IOC_RESET, 0);
    ioctl(descriptor, PERF_EVENT_IOC_ENABLE, 0);
  }
}

std::array<double, perf_counters::count> perf_counters::stop() noexcept {
  std::array<double, count> values{};
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t value = 0;
    values[i] = -1;
    if (descriptors_[i] < 0) continue;
    ioctl(descriptors_[i], PERF_EVENT_IOC_DISABLE, 0);
    if (read(descriptors_[i], &value, sizeof value) == sizeof value) values[i] = static_cast<double>(value);
  }
  return values;
}

}  // namespace ramie::app
