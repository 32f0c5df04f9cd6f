#include "io/access.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string>

namespace ramie::inline v0::net {
namespace {

constexpr std::size_t bytes_at_once = INT_MAX & ~std::size_t{4095};  // as the kernel moves them at most
// PIPE_BUF: a pipe that is writable takes so many without blocking.
constexpr std::size_t pipe_takes = 4096;

// One piece of memory.
os::io_request request(os::io_kind kind, const void* memory, std::size_t bytes) noexcept {
  os::io_request asked;
  asked.kind = kind;
  asked.memory = const_cast<void*>(memory);
  asked.count = static_cast<std::uint32_t>(std::min(bytes, bytes_at_once));
  return asked;
}

[[gnu::noinline]] int move_in_file(socket& on, bool out, const void* memory, std::size_t bytes) {
  iovec piece = {const_cast<void*>(memory), std::min(bytes, out && access::may_block(on) ? pipe_takes : bytes_at_once)};
  return access::perform(on, request(out ? os::io_kind::write : os::io_kind::read, &piece, 1));
}

[[gnu::always_inline]] inline int move(socket& on, bool out, const void* memory, std::size_t bytes) {
  if (access::is_byte_file(on)) [[unlikely]]
    return move_in_file(on, out, memory, bytes);
  return access::move(on, out ? os::io_kind::send : os::io_kind::receive, const_cast<void*>(memory),
                      static_cast<std::uint32_t>(std::min(bytes, bytes_at_once)));
}

// One of several in a call: closed between two of them is closed while the call waited.
[[gnu::always_inline]] inline int move_next(socket& on, bool out, const void* memory, std::size_t bytes,
                                            bool is_first) {
  const int result = move(on, out, memory, bytes);
  return result == -EBADF && !is_first ? -ECANCELED : result;
}

template <class Pieces>
int move_pieces(socket& on, bool out, const Pieces& pieces) {
  os::message all;
  for (const auto& piece : pieces) {
    if (!piece.empty() && !all.add(piece.data(), piece.size())) break;
  }
  if (out && access::may_block(on) && all.header.msg_iovlen != 0)
    return move(on, out, all.pieces->iov_base, all.pieces->iov_len);
  if (all.header.msg_iovlen == 0) return 0;
  if (access::is_byte_file(on))
    return access::perform(on,
                           request(out ? os::io_kind::write : os::io_kind::read, all.pieces, all.header.msg_iovlen));
  return access::perform(on, request(out ? os::io_kind::send_message : os::io_kind::receive_message, &all.header, 0));
}

}  // namespace

std::size_t stream::read_some(buffer into) {
  if (into.empty()) return 0;
  return static_cast<std::size_t>(checked(move(*this, false, into.data(), into.size()), "read_some"));
}
std::size_t stream::read_some(buffer into, std::error_code& error) {
  return told(into.empty() ? 0 : move(*this, false, into.data(), into.size()), error);
}
std::size_t stream::read_some(std::span<const buffer> into, std::error_code& error) {
  return told(move_pieces(*this, false, into), error);
}
std::size_t stream::write_some(const_buffer from) {
  if (from.empty()) return 0;
  return static_cast<std::size_t>(checked(move(*this, true, from.data(), from.size()), "write_some"));
}
std::size_t stream::write_some(const_buffer from, std::error_code& error) {
  return told(from.empty() ? 0 : move(*this, true, from.data(), from.size()), error);
}
std::size_t stream::write_some(std::span<const const_buffer> from, std::error_code& error) {
  return told(move_pieces(*this, true, from), error);
}

void stream::write_all(const_buffer from) {
  std::size_t done = 0;
  write_all(from, done);
}
void stream::write_all(const_buffer from, std::size_t& done) {
  held here(*this);
  const std::size_t before = done;
  while (done < from.size()) {
    const const_buffer rest = from.subspan(done);
    done += static_cast<std::size_t>(
        checked(move_next(*here, true, rest.data(), rest.size(), done == before), "write_all"));
  }
}
std::size_t stream::write_all(const_buffer from, std::error_code& error) {
  held here(*this);
  constexpr std::size_t before = 0;
  std::size_t done = before;
  succeed(error);
  while (done < from.size() && !error) {
    const const_buffer rest = from.subspan(done);
    done += told(move_next(*here, true, rest.data(), rest.size(), done == before), error);
  }
  return done;
}

std::size_t stream::read_exactly(buffer into) {
  std::size_t done = 0;
  return read_exactly(into, done);
}
std::size_t stream::read_exactly(buffer into, std::size_t& done) {
  held here(*this);
  const std::size_t before = done;
  while (done < into.size()) {
    const buffer rest = into.subspan(done);
    const int got = checked(move_next(*here, false, rest.data(), rest.size(), done == before), "read_exactly");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}
std::size_t stream::read_exactly(buffer into, std::error_code& error) {
  held here(*this);
  constexpr std::size_t before = 0;
  std::size_t done = before;
  succeed(error);
  while (done < into.size()) {
    const buffer rest = into.subspan(done);
    const std::size_t got = told(move_next(*here, false, rest.data(), rest.size(), done == before), error);
    if (got == 0) break;
    done += got;
  }
  return done;
}

void stream::shutdown_send() { checked(os::end_sending(access::number_of(*this, "shutdown_send")), "shutdown_send"); }

endpoint stream::remote() const {
  os::address told;
  checked(os::remote_address(access::number_of(*this, "remote"), told), "getpeername");
  return access::endpoint_of(told);
}

credentials stream::peer_credentials() const {
  os::peer told;
  checked(os::peer_of(access::number_of_unix(*this, "peer_credentials"), told), "peer_credentials");
  return {told.process, told.user, told.group};
}

void stream::send_descriptor(int number) {
  access::number_of_unix(*this, "send_descriptor");
  if (!os::is_descriptor(number)) fail(-EBADF, "send_descriptor of " + std::to_string(number));
  const char with = 0;
  os::message one;
  one.add(&with, 1);
  one.attach(number);
  checked(access::perform(*this, request(os::io_kind::send_message, &one.header, 0)), "send_descriptor");
}

int stream::receive_descriptor() {
  access::number_of_unix(*this, "receive_descriptor");
  char with = 0;
  os::message one;
  one.add(&with, 1);
  one.make_room_for_descriptor();
  const int got =
      checked(access::perform(*this, request(os::io_kind::receive_message, &one.header, 0)), "receive_descriptor");
  if (got == 0) fail(-ENOMSG, "receive_descriptor: the stream has ended");
  const int number = one.attached();
  if (number < 0 && one.lost_descriptors()) fail(-EMFILE, "receive_descriptor: what came is gone");
  if (number < 0) fail(-EBADMSG, "receive_descriptor: a byte came without a descriptor");
  return number;
}

stream stream::adopt(int number, bool keep) {
  stream result;
  if (!os::is_descriptor(number)) fail(-EBADF, "adopt of " + std::to_string(number));
  const bool is_socket = os::is_socket(number);
  // Sockets are asked not to block each time.
  access::take(result, number, is_socket ? access::kind_of_socket(number) : kind_of::bytes,
               {.ours = !keep,
                .may_block = !is_socket && !os::is_non_blocking(number),
                .is_pipe = !is_socket && !os::is_on_disk(number)});
  return result;
}

namespace {

std::pair<stream, stream> adopt_both(const int (&ends)[2]) {
  stream first;
  try {
    first = stream::adopt(ends[0]);
  } catch (...) {
    os::close_descriptor(ends[1]);
    throw;
  }
  return {std::move(first), stream::adopt(ends[1])};
}

}  // namespace

std::pair<stream, stream> pipe_pair() {
  int ends[2];
  checked(os::make_pipe(ends), "pipe");
  return adopt_both(ends);
}

std::pair<stream, stream> socket_pair() {
  int ends[2];
  checked(os::make_socket_pair(ends), "socket_pair");
  return adopt_both(ends);
}

}  // namespace ramie::inline v0::net
