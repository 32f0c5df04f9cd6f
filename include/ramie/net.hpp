// TCP, UDP, Unix sockets and pipes: calls that read as if they blocked, and park the task.
//
// Status: experimental.
//
//     ramie::net::listener door("127.0.0.1:8080");
//     for (;;) {
//       ramie::net::stream peer = door.accept();
//       s.spawn([peer = std::move(peer)]() mutable {
//         std::array<std::byte, 4096> data;
//         while (std::size_t got = peer.read_some(data)) peer.write_all(std::span(data).first(got));   // 0: the end
//       });
//     }
//
// In a task the task waits, on a thread without a scheduler the thread does. How a thread waits, io_uring or epoll, is
// runtime_options::io. A task may read while another writes; several readers or several writers each get some bytes.
//
// Errors: std::system_error naming the call and the address, or an std::error_code in the overloads that take one.
// Waiting while the object is closed elsewhere ends with operation_canceled, a call after that with
// bad_file_descriptor; destroying it is a close(), also for those that are in one of its calls. ramie::cancelled is
// thrown from both kinds of overload, and never together with bytes: what was moved is returned, or is still there for
// the next read. The first operation of a thread may throw from both, too, when the poller that was asked for does not
// work (runtime_options::io). SIGPIPE is never raised.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

// Not exported.
namespace ramie::inline v0::poll {
class descriptor;
}
namespace ramie::inline v0::net {
struct access;
}

#pragma GCC visibility push(default)
namespace ramie {
inline namespace v0 {
namespace net {

// Where a socket is: "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80", "unix:/run/x.sock", "unix:@name" (abstract), of
// Unix names at most 107 bytes. Numeric only.
class endpoint {
 public:
  enum class family_kind : unsigned char { none, ipv4, ipv6, unix_socket };

  endpoint() noexcept = default;
  // Throws std::system_error (invalid_argument).
  endpoint(const char* text) : endpoint(std::string_view(text)) {}         // NOLINT(google-explicit-constructor)
  endpoint(const std::string& text) : endpoint(std::string_view(text)) {}  // NOLINT(google-explicit-constructor)
  endpoint(std::string_view text);                                         // NOLINT(google-explicit-constructor)
  [[nodiscard]] static endpoint parse(std::string_view text, std::error_code& error) noexcept;

  [[nodiscard]] family_kind family() const noexcept;
  [[nodiscard]] std::uint16_t port() const noexcept;  // 0 of a Unix socket
  [[nodiscard]] std::string text() const;             // as it is parsed
  [[nodiscard]] friend bool operator==(const endpoint& a, const endpoint& b) noexcept { return a.equals(b); }

 private:
  friend struct access;
  [[nodiscard]] bool equals(const endpoint& other) const noexcept;
  static constexpr std::size_t most_bytes = 112;
  alignas(8) unsigned char bytes_[most_bytes] = {};
  std::uint32_t size_ = 0;
};

// What all kinds have: a descriptor, closed at the end. Moved, not copied.
class socket {
 public:
  socket(const socket&) = delete;
  socket& operator=(const socket&) = delete;

  [[nodiscard]] bool is_open() const noexcept;
  // Any thread. Ends what waits on it, on any thread, with operation_canceled; never waits. The kernel's descriptor is
  // closed when the last of those has left.
  void close() noexcept;
  // The kernel's number, for calls that ramie has not got; -1 when closed. Stays ramie's.
  [[nodiscard]] int number() const noexcept;
  [[nodiscard]] endpoint local() const;

  // What the kernel keeps before it is read, and before it has gone. It doubles what is set, for its own bookkeeping,
  // up to net.core.rmem_max and wmem_max, and grows what is not set by itself. What a listener has, its connections
  // have from the beginning. Setters of options throw what setsockopt(2) says; invalid_argument when it is negative.
  void set_receive_buffer_bytes(int bytes);
  [[nodiscard]] int receive_buffer_bytes() const;
  void set_send_buffer_bytes(int bytes);
  [[nodiscard]] int send_buffer_bytes() const;

 protected:
  friend struct access;
  enum class kind_of : unsigned char { none, tcp, unix_stream, bytes, udp, unix_datagram };
  socket() noexcept = default;
  socket(socket&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, nullptr)), kind_(std::exchange(other.kind_, kind_of::none)) {}
  socket& operator=(socket&& other) noexcept;
  ~socket() {
    if (descriptor_ != nullptr) drop();
  }
  void drop() noexcept;
  poll::descriptor* descriptor_ = nullptr;
  kind_of kind_ = kind_of::none;
};

// Who is at the other end of a Unix socket, as it was when it connected.
struct credentials {
  int process = 0;
  std::uint32_t user = 0, group = 0;
};

// Bytes in order, both ways: TCP, Unix, and (one way) pipes and terminals.
class stream : public socket {
 public:
  using buffer = std::span<std::byte>;
  using const_buffer = std::span<const std::byte>;

  stream() noexcept = default;
  stream(stream&&) noexcept = default;
  stream& operator=(stream&&) noexcept = default;
  ~stream() = default;

  // At least one byte, or 0 at the end of the stream (or for an empty buffer, at once).
  std::size_t read_some(buffer into);
  std::size_t read_some(buffer into, std::error_code& error);
  std::size_t read_some(std::span<char> into) { return read_some(std::as_writable_bytes(into)); }
  std::size_t read_some(std::span<char> into, std::error_code& error) {
    return read_some(std::as_writable_bytes(into), error);
  }
  // Into several pieces in turn; of more than 16 the first 16.
  std::size_t read_some(std::span<const buffer> into, std::error_code& error);
  // At least one byte.
  std::size_t write_some(const_buffer from);
  std::size_t write_some(const_buffer from, std::error_code& error);
  std::size_t write_some(std::string_view from) { return write_some(std::as_bytes(std::span(from))); }
  std::size_t write_some(std::string_view from, std::error_code& error) {
    return write_some(std::as_bytes(std::span(from)), error);
  }
  std::size_t write_some(std::span<const const_buffer> from, std::error_code& error);

  // All of it. After an exception or an error some of it may have been sent; the second says how much.
  void write_all(const_buffer from);
  std::size_t write_all(const_buffer from, std::error_code& error);
  void write_all(std::string_view from) { write_all(std::as_bytes(std::span(from))); }
  std::size_t write_all(std::string_view from, std::error_code& error) {
    return write_all(std::as_bytes(std::span(from)), error);
  }
  // Begins at `done` and keeps it true, also when it throws: after a time limit the same call goes on where it was.
  void write_all(const_buffer from, std::size_t& done);
  void write_all(std::string_view from, std::size_t& done) { write_all(std::as_bytes(std::span(from)), done); }
  // As much as fits; less only when the stream ended before. What was read when it is cancelled or fails lies in
  // `into`: of a failure the overload with an error says how much, of a cancellation too the one with `done`.
  std::size_t read_exactly(buffer into);
  std::size_t read_exactly(buffer into, std::error_code& error);
  std::size_t read_exactly(std::span<char> into) { return read_exactly(std::as_writable_bytes(into)); }
  std::size_t read_exactly(std::span<char> into, std::error_code& error) {
    return read_exactly(std::as_writable_bytes(into), error);
  }
  // As write_all with `done`, which it returns.
  std::size_t read_exactly(buffer into, std::size_t& done);
  std::size_t read_exactly(std::span<char> into, std::size_t& done) {
    return read_exactly(std::as_writable_bytes(into), done);
  }

  // The other end reads the end of the stream; reading goes on here.
  void shutdown_send();

  [[nodiscard]] endpoint remote() const;               // not_connected when it has gone
  [[nodiscard]] credentials peer_credentials() const;  // Unix

  // TCP; of all else operation_not_supported, of pipes not_a_socket. All are off, or the system's, until they are set.
  // Small writes are sent at once instead of waiting for more.
  void set_no_delay(bool on = true);
  [[nodiscard]] bool no_delay() const;
  // A connection on which nothing comes is probed; one whose peer answers no probe ends with timed_out. After so many
  // seconds of silence (tcp_keepalive_time: 7200), each so many (75), so often (9): at most 32,767 and 127.
  void set_keep_alive(bool on = true);
  [[nodiscard]] bool keep_alive() const;
  void set_keep_alive_idle_s(int seconds);
  [[nodiscard]] int keep_alive_idle_s() const;
  void set_keep_alive_interval_s(int seconds);
  [[nodiscard]] int keep_alive_interval_s() const;
  void set_keep_alive_probes(int count);
  [[nodiscard]] int keep_alive_probes() const;
  // How long sent bytes may stay unanswered until the connection ends with timed_out (TCP_USER_TIMEOUT). 0: a quarter
  // of an hour, tcp_retries2.
  void set_unanswered_limit_ms(int milliseconds);
  [[nodiscard]] int unanswered_limit_ms() const;
  // Closing drops what has not been sent, and the peer gets connection_reset: no port lingers here. There is no linger
  // of a time: close() would block the thread.
  void set_reset_on_close(bool on = true);
  [[nodiscard]] bool reset_on_close() const;

  // Unix: a copy of a descriptor, with one byte in the stream. What is received is the caller's to close; bad_message
  // when a byte came without one, no_message at the end of the stream, too_many_files_open when there is no place for
  // it: it is gone then. Of several that a stranger sent at once the first.
  void send_descriptor(int number);
  [[nodiscard]] int receive_descriptor();

  // Takes over a connected socket, a pipe's end, a terminal. `keep`: it is not closed at the end, as for 0, 1 and 2.
  // One that blocks is left so: epoll asks first whether it is ready.
  // A file on disk is read and written at its own position, and the thread waits for the disk on epoll. Throws
  // bad_file_descriptor.
  [[nodiscard]] static stream adopt(int number, bool keep = false);
};

struct listener_options {
  int backlog = 4096;         // the kernel takes at most net.core.somaxconn
  bool reuse_port = false;    // several listeners of one port, each with its share
  bool reuse_address = true;  // also while connections of a former listener linger
  bool ipv6_only = false;     // "[::]:80" takes IPv4 too, else
};

// Accepts connections. Port 0: the kernel chooses, local() says which. A Unix socket's path must not exist, and stays.
class listener : public socket {
 public:
  listener() noexcept = default;
  explicit listener(const endpoint& where, listener_options options = {});
  listener(listener&&) noexcept = default;
  listener& operator=(listener&&) noexcept = default;
  ~listener() = default;

  // The next connection; several tasks may ask. When the process has no descriptor left for it: too_many_files_open
  // (and in_system), whose text names the limit. The connection stays in line and the listener goes on: wait a little,
  // or close something, before the next call.
  [[nodiscard]] stream accept();
  [[nodiscard]] stream accept(std::error_code& error);

  // Takes over a socket that listens: the one that a service manager opened (systemd's are 3 and up). `keep`: it is
  // not closed at the end. When other processes accept from it too it should not block: else a connection that one of
  // them took first lets the thread wait for the next. Throws bad_file_descriptor, not_a_socket, invalid_argument for
  // one that does not listen.
  [[nodiscard]] static listener adopt(int number, bool keep = false);
};

// TCP or Unix. Cancelled or failed: the socket is closed.
[[nodiscard]] stream connect(const endpoint& to);
[[nodiscard]] stream connect(const endpoint& to, std::error_code& error);

// Why a name was not found: what getaddrinfo() says. `failed` and `try_again` are the name server's trouble, the others
// are answers. Comparable with std::error_code; try_again is also errc::resource_unavailable_try_again.
enum class name_errc : int {
  not_found = -2,        // no such host, or no such service
  try_again = -3,        // the name server did not answer, or cannot now
  failed = -4,           // it has answered that it cannot
  no_address = -5,       // there is such a host, and it has no address
  no_such_service = -8,  // for a stream
  no_memory = -10
};
[[nodiscard]] const std::error_category& name_category() noexcept;
[[nodiscard]] inline std::error_code make_error_code(name_errc value) noexcept {
  return {static_cast<int>(value), name_category()};
}

// The addresses of "example.org:443", "example.org:https", "[::1]:80": in the order in which they are to be tried, at
// least one. What is numeric is answered at once; for all else the C library is asked (hosts file, name servers), on a
// thread of a pool for this alone. A task that is told to go, by a time limit say, leaves at once; the C library cannot
// be stopped, so its thread goes on to the end of its own patience (5 to 30 s) and holds one of 64 meanwhile. Throws
// std::system_error: name_errc, invalid_argument for what is no "host:port", resource_unavailable_try_again.
[[nodiscard]] std::vector<endpoint> resolve(std::string_view name);
[[nodiscard]] std::vector<endpoint> resolve(std::string_view host, std::string_view service);
[[nodiscard]] std::vector<endpoint> resolve(std::string_view host, std::uint16_t port);

// To "example.org:443", or to anything that an endpoint is made of: that is not looked up. Of several addresses the
// families take turns, each attempt starts 250 ms after the one before, or when one has failed, and the first that
// stands is returned (RFC 8305, "happy eyeballs"); the others are called off and closed. On a thread without a
// scheduler they are tried one after the other. When all fail: the last one's error, with a text that names each.
[[nodiscard]] stream connect_to_name(std::string_view name);
[[nodiscard]] stream connect_to_name(std::string_view name, std::error_code& error);
template <class Text>
requires std::is_convertible_v<const Text&, std::string_view>
[[nodiscard]] stream connect(const Text& name) { return connect_to_name(name); }
template <class Text>
requires std::is_convertible_v<const Text&, std::string_view>
[[nodiscard]] stream connect(const Text& name, std::error_code& error) { return connect_to_name(name, error); }

struct datagram_options {
  bool reuse_port = false;  // several of one port, each with its share
  bool ipv6_only = false;
};

// Messages: UDP or Unix.
class datagram : public socket {
 public:
  datagram() noexcept = default;
  // Bound to `where`. "0.0.0.0:0": any port.
  explicit datagram(const endpoint& where, datagram_options options = {});
  datagram(datagram&&) noexcept = default;
  datagram& operator=(datagram&&) noexcept = default;
  ~datagram() = default;

  void send_to(stream::const_buffer message, const endpoint& to);
  void send_to(stream::const_buffer message, const endpoint& to, std::error_code& error);
  void send_to(std::string_view message, const endpoint& to) { send_to(std::as_bytes(std::span(message)), to); }
  void send_to(std::string_view message, const endpoint& to, std::error_code& error) {
    send_to(std::as_bytes(std::span(message)), to, error);
  }
  // How much of the message fits the buffer (the rest is lost), and where it came from. The third says how long the
  // message was: more than what is returned when its end is lost.
  std::size_t receive_from(stream::buffer into, endpoint& from);
  std::size_t receive_from(stream::buffer into, endpoint& from, std::size_t& message_bytes);
  std::size_t receive_from(stream::buffer into, endpoint& from, std::error_code& error);
  std::size_t receive_from(std::span<char> into, endpoint& from) {
    return receive_from(std::as_writable_bytes(into), from);
  }
  std::size_t receive_from(std::span<char> into, endpoint& from, std::size_t& message_bytes) {
    return receive_from(std::as_writable_bytes(into), from, message_bytes);
  }
  std::size_t receive_from(std::span<char> into, endpoint& from, std::error_code& error) {
    return receive_from(std::as_writable_bytes(into), from, error);
  }
  void set_broadcast(bool on = true);
  [[nodiscard]] bool broadcast() const;
};

// Two streams that are each other's other end; the first of a pipe reads, the second writes.
[[nodiscard]] std::pair<stream, stream> pipe_pair();
[[nodiscard]] std::pair<stream, stream> socket_pair();

}  // namespace net
}  // namespace v0
}  // namespace ramie
template <>
struct std::is_error_code_enum<ramie::net::name_errc> : std::true_type {};
#pragma GCC visibility pop
