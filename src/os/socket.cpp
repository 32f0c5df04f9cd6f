#include "os/socket.hpp"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <system_error>

namespace ramie::os {
namespace {

static_assert(sizeof(sockaddr_un::sun_path) == unix_path_most + 1);
static_assert(sizeof(sockaddr_un) <= address::most_bytes && sizeof(sockaddr_in6) <= address::most_bytes);
constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

// The result, or -errno with errno as before.
template <class Call>
int answer(Call&& call) noexcept {
  const int before = errno;
  const int result = call();
  const int told = result < 0 ? -errno : result;
  errno = before;
  return told;
}

template <class Kind>
Kind as(const address& one) noexcept {
  Kind result{};
  std::memcpy(&result, one.bytes, std::min<std::size_t>(sizeof result, sizeof one.bytes));
  return result;
}
template <class Kind>
void put(const Kind& what, std::size_t size, address& result) noexcept {
  result = {};
  std::memcpy(result.bytes, &what, size);
  result.size = static_cast<std::uint32_t>(size);
}
const sockaddr* raw(const address& one) noexcept { return reinterpret_cast<const sockaddr*>(one.bytes); }

int make_socket(const address& for_one, int type) noexcept {
  return answer([&] { return ::socket(raw(for_one)->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); });
}

template <class Ask>
int ask_address(address& result, Ask&& ask) noexcept {
  result = {};
  socklen_t size = address::most_bytes;
  const int told = answer([&] { return ask(reinterpret_cast<sockaddr*>(result.bytes), &size); });
  result.size = std::min<std::uint32_t>(size, address::most_bytes);
  return told;
}

// Of the interface of a link-local address: its name or its number. 0: there is none.
std::uint32_t scope_of(std::string_view text) noexcept {
  std::uint32_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure == std::errc() && end == text.data() + text.size()) return number;
  std::array<char, IF_NAMESIZE> name{};
  if (text.size() >= name.size()) return 0;
  std::copy(text.begin(), text.end(), name.begin());
  return static_cast<std::uint32_t>(answer([&] { return static_cast<int>(if_nametoindex(name.data())); }));
}

std::string text_of_scope(std::uint32_t scope) {
  if (scope == 0) return "";
  std::array<char, IF_NAMESIZE> name{};
  const bool is_known = answer([&] { return if_indextoname(scope, name.data()) == nullptr ? -1 : 0; }) == 0;
  return "%" + (is_known ? std::string(name.data()) : std::to_string(scope));
}

}  // namespace

bool to_address(std::string_view host, std::uint16_t port, address& result) noexcept {
  std::array<char, INET6_ADDRSTRLEN + 1> text{};
  if (host.find('\0') != std::string_view::npos) return false;  // inet_pton would stop there
  std::uint32_t scope = 0;
  if (const std::size_t percent = host.find('%'); percent != std::string_view::npos) {
    scope = scope_of(host.substr(percent + 1));
    if (scope == 0) return false;
    host = host.substr(0, percent);
  }
  if (host.size() >= text.size()) return false;
  std::copy(host.begin(), host.end(), text.begin());
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(port);
  if (scope == 0 && inet_pton(AF_INET, text.data(), &four.sin_addr) == 1) {
    put(four, sizeof four, result);
    return true;
  }
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  six.sin6_scope_id = scope;
  if (inet_pton(AF_INET6, text.data(), &six.sin6_addr) != 1) return false;
  put(six, sizeof six, result);
  return true;
}

bool to_unix_address(std::string_view path, address& result) noexcept {
  sockaddr_un one{};
  one.sun_family = AF_UNIX;
  if (path.empty() || path.size() > unix_path_most) return false;
  const bool is_abstract = path.front() == '@';
  // The kernel would take a path only as far as there.
  if (!is_abstract && path.find('\0') != std::string_view::npos) return false;
  std::copy(path.begin(), path.end(), one.sun_path);
  if (is_abstract) one.sun_path[0] = '\0';
  put(one, path_offset + path.size() + (is_abstract ? 0 : 1), result);
  return true;
}

address_family family_of(const address& one) noexcept {
  if (one.size == 0) return address_family::none;
  switch (raw(one)->sa_family) {
    case AF_INET:
      return address_family::ipv4;
    case AF_INET6:
      return address_family::ipv6;
    case AF_UNIX:
      return address_family::unix_socket;
    default:
      return address_family::none;
  }
}

std::uint16_t port_of(const address& one) noexcept {
  switch (family_of(one)) {
    case address_family::ipv4:
      return ntohs(as<sockaddr_in>(one).sin_port);
    case address_family::ipv6:
      return ntohs(as<sockaddr_in6>(one).sin6_port);
    default:
      return 0;
  }
}

std::string text_of(const address& one) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  switch (family_of(one)) {
    case address_family::ipv4: {
      const auto four = as<sockaddr_in>(one);
      inet_ntop(AF_INET, &four.sin_addr, text.data(), text.size());
      return std::string(text.data()) + ":" + std::to_string(port_of(one));
    }
    case address_family::ipv6: {
      const auto six = as<sockaddr_in6>(one);
      inet_ntop(AF_INET6, &six.sin6_addr, text.data(), text.size());
      return "[" + std::string(text.data()) + text_of_scope(six.sin6_scope_id) + "]:" + std::to_string(port_of(one));
    }
    case address_family::unix_socket: {
      const auto here = as<sockaddr_un>(one);
      if (one.size <= path_offset) return "unix:";
      const std::size_t size = one.size - path_offset;
      if (here.sun_path[0] == '\0') return "unix:@" + std::string(here.sun_path + 1, size - 1);
      return "unix:" + std::string(here.sun_path, strnlen(here.sun_path, size));
    }
    default:
      return "";
  }
}

int make_stream_socket(const address& for_one) noexcept { return make_socket(for_one, SOCK_STREAM); }
int make_datagram_socket(const address& for_one) noexcept { return make_socket(for_one, SOCK_DGRAM); }
int bind_socket(int descriptor, const address& to) noexcept {
  return answer([&] { return ::bind(descriptor, raw(to), to.size); });
}
int listen_on(int descriptor, int backlog) noexcept {
  return answer([&] { return ::listen(descriptor, backlog); });
}
int connect_datagrams(int descriptor, const address& to) noexcept {
  return answer([&] { return ::connect(descriptor, raw(to), to.size); });
}
int local_address(int descriptor, address& result) noexcept {
  return ask_address(result, [&](sockaddr* into, socklen_t* size) { return ::getsockname(descriptor, into, size); });
}
int remote_address(int descriptor, address& result) noexcept {
  return ask_address(result, [&](sockaddr* into, socklen_t* size) { return ::getpeername(descriptor, into, size); });
}
int end_sending(int descriptor) noexcept {
  return answer([&] { return ::shutdown(descriptor, SHUT_WR); });
}

namespace {

struct option_name {
  int level = SOL_SOCKET, name = 0;
};

option_name name_of(socket_option which) noexcept {
  switch (which) {
    case socket_option::no_delay:
      return {IPPROTO_TCP, TCP_NODELAY};
    case socket_option::keep_alive:
      return {SOL_SOCKET, SO_KEEPALIVE};
    case socket_option::keep_alive_idle_s:
      return {IPPROTO_TCP, TCP_KEEPIDLE};
    case socket_option::keep_alive_interval_s:
      return {IPPROTO_TCP, TCP_KEEPINTVL};
    case socket_option::keep_alive_probes:
      return {IPPROTO_TCP, TCP_KEEPCNT};
    case socket_option::unanswered_limit_ms:
      return {IPPROTO_TCP, TCP_USER_TIMEOUT};
    case socket_option::reset_on_close:
      return {SOL_SOCKET, SO_LINGER};
    case socket_option::reuse_address:
      return {SOL_SOCKET, SO_REUSEADDR};
    case socket_option::reuse_port:
      return {SOL_SOCKET, SO_REUSEPORT};
    case socket_option::ipv6_only:
      return {IPPROTO_IPV6, IPV6_V6ONLY};
    case socket_option::receive_buffer_bytes:
      return {SOL_SOCKET, SO_RCVBUF};
    case socket_option::send_buffer_bytes:
      return {SOL_SOCKET, SO_SNDBUF};
    case socket_option::broadcast:
      return {SOL_SOCKET, SO_BROADCAST};
  }
  return {};
}

}  // namespace

int set_option(int descriptor, socket_option which, int value) noexcept {
  if (value < 0) return -EINVAL;
  const auto [level, name] = name_of(which);
  const auto set = [&, level = level, name = name](const auto& what) {
    return answer([&] { return ::setsockopt(descriptor, level, name, &what, sizeof what); });
  };
  return which == socket_option::reset_on_close ? set(linger{value, 0}) : set(value);
}

int get_option(int descriptor, socket_option which, int& value) noexcept {
  const auto [level, name] = name_of(which);
  linger told{};
  const bool lingers = which == socket_option::reset_on_close;
  void* const into = lingers ? static_cast<void*>(&told) : &value;
  socklen_t size = lingers ? sizeof told : sizeof value;
  const int refused =
      answer([&, level = level, name = name] { return ::getsockopt(descriptor, level, name, into, &size); });
  if (lingers && refused == 0) value = told.l_onoff != 0 && told.l_linger == 0 ? 1 : 0;
  return refused;
}

int peer_of(int descriptor, peer& result) noexcept {
  ucred told{};
  socklen_t size = sizeof told;
  const int refused = answer([&] { return ::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &told, &size); });
  if (refused == 0) result = {told.pid, told.uid, told.gid};
  return refused;
}

int make_pipe(int (&ends)[2]) noexcept {
  return answer([&] { return ::pipe2(ends, O_CLOEXEC | O_NONBLOCK); });
}
int make_socket_pair(int (&ends)[2]) noexcept {
  return answer([&] { return ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends); });
}
bool is_descriptor(int descriptor) noexcept {
  return answer([&] { return ::fcntl(descriptor, F_GETFD); }) >= 0;
}
bool is_socket(int descriptor) noexcept {
  struct stat told {};
  return answer([&] { return ::fstat(descriptor, &told); }) == 0 && S_ISSOCK(told.st_mode);
}
transport transport_of(int descriptor) noexcept {
  const auto told = [&](int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return answer([&] { return ::getsockopt(descriptor, SOL_SOCKET, name, &value, &size); }) == 0 ? value : -1;
  };
  if (told(SO_DOMAIN) == AF_UNIX)
    return told(SO_TYPE) == SOCK_DGRAM ? transport::unix_datagram : transport::unix_stream;
  const int protocol = told(SO_PROTOCOL);
  return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP ? transport::tcp
         : protocol == IPPROTO_UDP                            ? transport::udp
                                                              : transport::other;
}
bool is_on_disk(int descriptor) noexcept {
  struct stat told {};
  return answer([&] { return ::fstat(descriptor, &told); }) == 0 && S_ISREG(told.st_mode);
}
bool is_listening(int descriptor) noexcept {
  int told = 0;
  socklen_t size = sizeof told;
  return answer([&] { return ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &told, &size); }) == 0 && told != 0;
}
bool is_non_blocking(int descriptor) noexcept {
  const int flags = answer([&] { return ::fcntl(descriptor, F_GETFL); });
  return flags >= 0 && (flags & O_NONBLOCK) != 0;
}
std::string text_of_descriptor_limit(int error) {
  if (error == ENFILE)
    return "the whole system has no descriptor left (fs.file-max). Close some, or raise it (sysctl -w fs.file-max=...)";
  rlimit told{};
  const bool is_known = answer([&] { return ::getrlimit(RLIMIT_NOFILE, &told); }) == 0;
  return "this process may have " + (is_known ? std::to_string(told.rlim_cur) : "no more") +
         " descriptors (RLIMIT_NOFILE), and there is no place for another. Close some, or raise the limit (ulimit -n, "
         "LimitNOFILE= of a service)";
}

}  // namespace ramie::os
