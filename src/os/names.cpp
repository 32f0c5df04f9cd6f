#include "os/names.hpp"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>
#include <utility>

namespace ramie::os {

looked_up look_up(const std::string& host, const std::string& service) {
  looked_up told;
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  const int before = std::exchange(errno, 0);
  addrinfo* list = nullptr;
  told.failure = ::getaddrinfo(host.c_str(), service.c_str(), &wanted, &list);
  // A file or a socket that it could not open is no answer, although the library takes it for one.
  if (told.failure != 0 && (errno == EMFILE || errno == ENFILE)) told.failure = EAI_SYSTEM;
  if (told.failure == EAI_SYSTEM) told.error = errno;
  errno = before;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(told.failure == 0 ? list : nullptr, [](addrinfo* one) {
    if (one != nullptr) ::freeaddrinfo(one);
  });
  for (const addrinfo* one = owned.get(); one != nullptr; one = one->ai_next) {
    if (one->ai_addrlen > address::most_bytes) continue;
    address& next = told.addresses.emplace_back();
    std::memcpy(next.bytes, one->ai_addr, one->ai_addrlen);
    next.size = one->ai_addrlen;
  }
  return told;
}

const char* text_of_lookup_failure(int failure) noexcept { return ::gai_strerror(failure); }

}  // namespace ramie::os
