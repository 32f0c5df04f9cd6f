#include "poll/choose.hpp"

#include "os/ring.hpp"
#include "poll/epoll/poller.hpp"
#include "poll/fake/poller.hpp"
#include "poll/uring/poller.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>

namespace ramie::inline v0::poll {
namespace {

// Operations per batch; more are given in several.
constexpr unsigned ring_entries = 256;

struct wish {
  choice what;
  const char* by;
};

wish wish_of(choice option) {
  if (option != choice::automatic) return {option, "runtime_options::io"};
  const char* word = std::getenv("RAMIE_IO");
  if (word == nullptr || *word == '\0') return {choice::automatic, ""};
  if (std::strcmp(word, "uring") == 0) return {choice::uring, "RAMIE_IO=uring"};
  if (std::strcmp(word, "epoll") == 0) return {choice::epoll, "RAMIE_IO=epoll"};
  throw std::system_error(
      std::make_error_code(std::errc::invalid_argument),
      "RAMIE_IO=" + std::string(word) + ": there is uring and epoll; without it the best that works");
}

void tell(const char* taken, const std::string& instead_of) {
  static std::atomic_flag told;
  const char* log = std::getenv("RAMIE_LOG");
  if (log == nullptr || std::strcmp(log, "info") != 0 || told.test_and_set()) return;
  std::fprintf(stderr, "ramie: operations on descriptors wait in %s%s%s\n", taken,
               instead_of.empty() ? "" : "; io_uring does not work here: ", instead_of.c_str());
}

}  // namespace

std::unique_ptr<sched::poller> make(const void* wanted, parking::host& home) {
  const wish asked = wish_of(*static_cast<const choice*>(wanted));
  if (asked.what == choice::fake) return std::make_unique<fake_poller>(home);
  std::string reason;
  if (asked.what != choice::epoll) {
    if (auto ring = os::ring::open(ring_entries, reason)) {
      tell("io_uring", "");
      return std::make_unique<uring_poller>(home, std::move(ring));
    }
    if (asked.what == choice::uring) {
      throw std::system_error(std::make_error_code(std::errc::function_not_supported),
                              std::string(asked.by) + " asks for io_uring, which does not work here: " + reason +
                                  ". Allow it, or ask for nothing and get epoll");
    }
  }
  tell("epoll", reason);
  return std::make_unique<epoll_poller>(home);
}

}  // namespace ramie::inline v0::poll
