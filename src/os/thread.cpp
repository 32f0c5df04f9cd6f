#include "os/thread.hpp"

#include "os/cgroup.hpp"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

namespace ramie::os {
namespace {

struct start_order {
  void (*body)(void*);
  void* argument;
  std::array<char, 16> name{};
};

void* thread_main(void* given) {
  const std::unique_ptr<start_order> held(static_cast<start_order*>(given));
  const start_order order = *held;
  pthread_setname_np(pthread_self(), order.name.data());
  order.body(order.argument);
  return nullptr;
}

int start(pthread_t& made, const pthread_attr_t* attributes, const char* name, void (*body)(void*),
          void* argument) noexcept {
  auto* order = new (std::nothrow) start_order{body, argument};
  if (order == nullptr) return EAGAIN;
  std::strncpy(order->name.data(), name, order->name.size() - 1);
  const int refused = pthread_create(&made, attributes, &thread_main, order);
  if (refused != 0) delete order;
  return refused;
}

// A set of processors as large as this kernel's.
struct processor_set {
  explicit processor_set(unsigned count)
      : bytes(CPU_ALLOC_SIZE(count)), bits(CPU_ALLOC(count), [](cpu_set_t* one) { CPU_FREE(one); }) {
    if (bits != nullptr) CPU_ZERO_S(bytes, bits.get());
  }
  std::size_t bytes;
  std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> bits;
};

constexpr unsigned processors_most = 1U << 16;

}  // namespace

int start_detached_thread(const char* name, std::size_t stack_bytes, void (*body)(void*), void* argument) noexcept {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  int refused = stack_bytes == 0 ? 0 : pthread_attr_setstacksize(&attributes, stack_bytes);
  if (refused == 0) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pthread_t made;
    refused = start(made, &attributes, name, body, argument);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  pthread_attr_destroy(&attributes);
  return refused;
}

joined_thread::joined_thread(joined_thread&& other) noexcept
    : thread_(other.thread_), started_(std::exchange(other.started_, false)) {}

int joined_thread::start(const char* name, void (*body)(void*), void* argument) noexcept {
  static_assert(sizeof(pthread_t) == sizeof thread_);
  pthread_t made{};
  const int refused = os::start(made, nullptr, name, body, argument);
  thread_ = made;
  started_ = refused == 0;
  return refused;
}

void joined_thread::join() noexcept {
  if (std::exchange(started_, false)) pthread_join(thread_, nullptr);
}

std::vector<unsigned> allowed_processors() {
  std::vector<unsigned> found;
  for (unsigned most = 1024; most <= processors_most && found.empty(); most *= 4) {
    const processor_set set(most);
    if (set.bits == nullptr || sched_getaffinity(0, set.bytes, set.bits.get()) != 0) continue;
    for (unsigned one = 0; one < most; ++one) {
      if (CPU_ISSET_S(one, set.bytes, set.bits.get())) found.push_back(one);
    }
  }
  if (found.empty()) found.push_back(0);
  return found;
}

int run_only_on(const std::vector<unsigned>& processors) noexcept {
  const unsigned most = processors.empty() ? 0 : *std::max_element(processors.begin(), processors.end()) + 1;
  if (most == 0 || most > processors_most) return EINVAL;
  const processor_set set(most);
  if (set.bits == nullptr) return ENOMEM;
  for (const unsigned one : processors) CPU_SET_S(one, set.bytes, set.bits.get());
  return sched_setaffinity(0, set.bytes, set.bits.get()) == 0 ? 0 : errno;
}

std::optional<std::uint64_t> processor_quota_thousandths(const proc_root& root) {
  std::optional<std::uint64_t> tightest;
  const cgroup_chain chain = read_processor_cgroups(root, read_text(root.of_machine("self/cgroup")).text);
  for (const cgroup_level& level : chain.levels) {
    if (level.limited() && (!tightest || level.limit < *tightest)) tightest = level.limit;
  }
  return tightest;
}

unsigned usable_processors() {
  auto count = static_cast<unsigned>(allowed_processors().size());
  if (const auto quota = processor_quota_thousandths({})) {
    count = static_cast<unsigned>(std::min<std::uint64_t>(count, (*quota + 999) / 1000));
  }
  return std::max(1U, count);
}

}  // namespace ramie::os
