#include "stack/guard_ladder.hpp"

#include "base/lasting.hpp"
#include "os/userfault.hpp"
#include "stack/pool.hpp"

#include <errno.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace ramie {

const char* name_of(guard kind) noexcept {
  switch (kind) {
    case guard::automatic:
      return "automatic";
    case guard::region:
      return "region";
    case guard::poison:
      return "poison";
    case guard::wp:
      return "wp";
    case guard::wp_populated:
      return "wp-populated";
    case guard::mprotect:
      return "mprotect";
    case guard::none:
      return "none";
  }
  return "?";
}

}  // namespace ramie

namespace ramie::stack {
namespace {

constexpr ramie::guard ladder[] = {ramie::guard::region, ramie::guard::poison, ramie::guard::wp,
                                   ramie::guard::wp_populated, ramie::guard::mprotect};

// A descriptor per rung: their features differ, and the guards of one must stand while another is tried.
constinit lasting<std::array<os::userfault, 7>> descriptors;
os::userfault& descriptor_of(ramie::guard kind) noexcept { return (*descriptors)[static_cast<std::size_t>(kind)]; }

constinit lasting<os::guard_prober> the_prober;
os::guard_prober& prober() noexcept { return *the_prober; }

bool needs_descriptor(ramie::guard kind) noexcept {
  return kind == ramie::guard::poison || kind == ramie::guard::wp || kind == ramie::guard::wp_populated;
}

unsigned features_of(ramie::guard kind) noexcept {
  switch (kind) {
    case ramie::guard::poison:
      return os::userfault::write_protect | os::userfault::poison;
    case ramie::guard::wp:
      return os::userfault::write_protect | os::userfault::write_protect_unpopulated;
    default:
      return os::userfault::write_protect;
  }
}

int guard_one(ramie::guard kind, std::uintptr_t address, std::size_t bytes) noexcept {
  switch (kind) {
    case ramie::guard::poison:
      return descriptor_of(kind).poison_page(address, bytes);
    case ramie::guard::wp:
      return descriptor_of(kind).protect(address, bytes);
    case ramie::guard::wp_populated: {
      // Protecting a page that is not there succeeds and protects nothing: reading it first maps the zero page, which
      // costs a page-table entry and no memory.
      const std::size_t page = os::page_bytes();
      for (std::size_t offset = 0; offset < bytes; offset += page) {
        static_cast<void>(*reinterpret_cast<const volatile char*>(address + offset));
      }
      return descriptor_of(kind).protect(address, bytes);
    }
    default:
      return EINVAL;
  }
}

}  // namespace

struct guard_ladder::rung {
  bool tried = false;
  bool works = false;
  char reason[sizeof(guard_trial::reason)] = "";

  void refuse(const char* call, int error) noexcept {
    works = false;
    if (error == EXDEV) {
      std::snprintf(reason, sizeof reason, "%s succeeded, but the page it should guard can be written", call);
    } else {
      std::snprintf(reason, sizeof reason, "%s: %s", call, std::strerror(error));
    }
  }
};

constinit guard_ladder guard_ladder::the_ladder_;

void guard_ladder::read_environment() noexcept {
  environment_is_read_ = true;
  const char* name = std::getenv("RAMIE_GUARD");
  if (name == nullptr || *name == 0) return;
  for (ramie::guard kind : ladder) {
    if (std::strcmp(name, name_of(kind)) == 0) forced_ = kind;
  }
  unknown_name_ = forced_ == ramie::guard::automatic && std::strcmp(name, "automatic") != 0;
}

guard_ladder::rung& guard_ladder::rung_of(ramie::guard kind) noexcept {
  static rung rungs[7];
  return rungs[static_cast<int>(kind)];
}

void guard_ladder::try_rung(ramie::guard kind) noexcept {
  rung& result = rung_of(kind);
  result.tried = true;
  if (kind == ramie::guard::none) {
    result.works = true;
    return;
  }
  const bool had_descriptor = descriptor_of(kind).is_open();
  const std::size_t page = os::page_bytes(), bytes = 4 * page;
  void* place = os::reserve(bytes);
  if (place == nullptr) return result.refuse("mmap", errno);
  auto address = reinterpret_cast<std::uintptr_t>(place);
  os::unlock(place, bytes);
  const char* step = "mprotect";
  int error = os::open(place, bytes);
  if (error == 0) {
    step = needs_descriptor(kind) ? "userfaultfd" : name_of(kind);
    error = adopt(kind, place, bytes);
  }
  if (error == 0) {
    step = kind == ramie::guard::region     ? "madvise(MADV_GUARD_INSTALL)"
           : kind == ramie::guard::poison   ? "UFFDIO_POISON"
           : kind == ramie::guard::mprotect ? "mprotect(PROT_NONE)"
                                            : "UFFDIO_WRITEPROTECT";
    const std::uintptr_t targets[] = {address, address + 2 * page};
    error = install(kind, targets, 2, page);
    if (error == 0) error = prober().probe(targets[1]) == 0 ? 0 : EXDEV;
    // The page above must stay usable, or we would guard more than we think.
    if (error == 0 && prober().probe(address + page) == 0) error = EFAULT;
  }
  os::give_back(place, bytes);
  if (error != 0) {
    result.refuse(step, error);
  } else {
    result.works = true;
  }
  // A trial leaves no descriptor behind; adopt() opens it again for the rung that is used.
  if (!had_descriptor) descriptor_of(kind).abandon();
}

bool guard_ladder::works(ramie::guard kind) {
  rung& result = rung_of(kind);
  if (!result.tried) try_rung(kind);
  return result.works;
}

void guard_ladder::give_up(ramie::guard kind, const char* reason) noexcept {
  rung& result = rung_of(kind);
  result.works = false;
  std::snprintf(result.reason, sizeof result.reason, "%s", reason);
}

const char* guard_ladder::reason(ramie::guard kind) {
  works(kind);
  return rung_of(kind).reason;
}

ramie::guard guard_ladder::best() {
  if (forced_ != ramie::guard::automatic) return works(forced_) ? forced_ : ramie::guard::none;
  for (ramie::guard kind : ladder) {
    if (works(kind)) return kind;
  }
  return ramie::guard::none;
}

int guard_ladder::adopt(ramie::guard kind, void* address, std::size_t bytes) noexcept {
  if (!needs_descriptor(kind)) return 0;
  os::userfault& descriptor = descriptor_of(kind);
  int status = descriptor.is_open() ? 0 : descriptor.open(features_of(kind));
  return status != 0 ? status : descriptor.watch(address, bytes);
}

int guard_ladder::install(ramie::guard kind, const std::uintptr_t* addresses, std::size_t count,
                          std::size_t bytes) noexcept {
  if (kind == ramie::guard::none || count == 0) return 0;
  int error = 0;
  if (kind == ramie::guard::region) {
    error = os::install_guards(addresses, count, bytes);
  } else if (kind == ramie::guard::mprotect) {
    for (std::size_t i = 0; i < count && error == 0; ++i) {
      error = os::close(reinterpret_cast<void*>(addresses[i]), bytes);
    }
  } else {
    for (std::size_t i = 0; i < count && error == 0; ++i) error = guard_one(kind, addresses[i], bytes);
  }
  if (error != 0) return error;
  return prober().probe(addresses[0]) == 0 ? 0 : EXDEV;
}

int guard_ladder::probe(std::uintptr_t address) noexcept { return prober().probe(address); }

bool guard_ladder::still_in_force(ramie::guard kind) noexcept {
  if (kind != ramie::guard::wp && kind != ramie::guard::wp_populated) return true;
  return descriptor_of(kind).still_ours();
}

void guard_ladder::renew_in_child() noexcept {
  for (ramie::guard kind : ladder) descriptor_of(kind).abandon();
  prober().abandon();
}

}  // namespace ramie::stack

namespace ramie {

std::size_t try_guards(guard_trial (&trials)[5]) noexcept {
  const std::lock_guard held(stack::pool_lock());
  auto& rungs = stack::guard_ladder::instance();
  std::size_t count = 0;
  for (guard kind : stack::ladder) {
    guard_trial& row = trials[count++];
    row.guard = kind;
    row.works = rungs.works(kind);
    std::snprintf(row.reason, sizeof row.reason, "%s", row.works ? "" : rungs.reason(kind));
  }
  return count;
}

}  // namespace ramie
