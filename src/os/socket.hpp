// Sockets and pipes being made, named and set up; none of these calls waits. What waits is an io_request.
//
// Any thread. Results are values or -errno; errno stays as it was. All descriptors made here are closed on exec and do
// not block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ramie::os {

// A socket's name as the kernel takes it: sockaddr_in, sockaddr_in6 or sockaddr_un.
struct address {
  static constexpr std::size_t most_bytes = 112;
  alignas(8) unsigned char bytes[most_bytes] = {};
  std::uint32_t size = 0;
};
enum class address_family : std::uint8_t { none, ipv4, ipv6, unix_socket };

// Numeric only; an IPv6 address may name its interface ("fe80::1%eth0", "fe80::1%2"). False: it is not one.
bool to_address(std::string_view host, std::uint16_t port, address& result) noexcept;
// A path, or a name in the abstract space for one that begins with '@'. False: too long, empty, or a path with a zero
// byte in it.
inline constexpr std::size_t unix_path_most = 107;
bool to_unix_address(std::string_view path, address& result) noexcept;
address_family family_of(const address& one) noexcept;
std::uint16_t port_of(const address& one) noexcept;
std::string text_of(const address& one);  // as to_address takes it, with the port

int make_stream_socket(const address& for_one) noexcept;
int make_datagram_socket(const address& for_one) noexcept;
int bind_socket(int descriptor, const address& to) noexcept;
int listen_on(int descriptor, int backlog) noexcept;
int connect_datagrams(int descriptor, const address& to) noexcept;
int local_address(int descriptor, address& result) noexcept;
int remote_address(int descriptor, address& result) noexcept;
int end_sending(int descriptor) noexcept;

enum class socket_option : std::uint8_t {
  no_delay,
  keep_alive,
  keep_alive_idle_s,
  keep_alive_interval_s,
  keep_alive_probes,
  unanswered_limit_ms,
  reset_on_close,  // a linger of no time
  reuse_address,
  reuse_port,
  ipv6_only,
  receive_buffer_bytes,
  send_buffer_bytes,
  broadcast
};
// EINVAL for negative values, which the kernel takes for huge ones.
int set_option(int descriptor, socket_option which, int value) noexcept;
int get_option(int descriptor, socket_option which, int& value) noexcept;

struct peer {
  int process = 0;
  std::uint32_t user = 0, group = 0;
};
int peer_of(int descriptor, peer& result) noexcept;

int make_pipe(int (&ends)[2]) noexcept;
int make_socket_pair(int (&ends)[2]) noexcept;
bool is_descriptor(int descriptor) noexcept;
bool is_socket(int descriptor) noexcept;
enum class transport : std::uint8_t { other, tcp, udp, unix_stream, unix_datagram };
transport transport_of(int descriptor) noexcept;  // of a socket
bool is_on_disk(int descriptor) noexcept;         // a plain file
bool is_listening(int descriptor) noexcept;
bool is_non_blocking(int descriptor) noexcept;
// Which limit was reached and what to do, of EMFILE or ENFILE.
std::string text_of_descriptor_limit(int error);

}  // namespace ramie::os
