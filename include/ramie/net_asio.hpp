// A net::stream where Asio and Beast expect one of theirs: http::read, http::write, asio::read_until, asio::write.
//
// Status: experimental.
//
//     ramie::net::stream peer = door.accept();
//     ramie::net::asio_stream stream(peer);               // refers to it
//     boost::beast::flat_buffer buffer;
//     boost::beast::http::request<boost::beast::http::string_body> request;
//     boost::beast::http::read(stream, buffer, request);            // parks the task
//
// Models Asio's SyncReadStream and SyncWriteStream. There is no io_context and nothing asynchronous: the calls wait as
// those of net.hpp do. The end of the stream is boost::asio::error::eof. ramie::cancelled passes through.
// Header only. Written for Boost 1.81.
#pragma once

#include <ramie/net.hpp>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <cstddef>
#include <span>
#include <system_error>

namespace ramie {
inline namespace v0 {
namespace net {

class asio_stream {
 public:
  explicit asio_stream(stream& of) noexcept : of_(&of) {}
  [[nodiscard]] stream& next_layer() noexcept { return *of_; }

  template <class MutableBuffers>
  std::size_t read_some(const MutableBuffers& buffers, boost::system::error_code& error) {
    std::array<stream::buffer, pieces_most> pieces;
    const std::size_t count = collect(buffers, pieces);
    std::error_code told;
    const std::size_t got = of_->read_some(std::span<const stream::buffer>(pieces.data(), count), told);
    error = translated(told);
    if (got == 0 && count != 0 && !error) error = boost::asio::error::eof;
    return got;
  }
  template <class MutableBuffers>
  std::size_t read_some(const MutableBuffers& buffers) {
    boost::system::error_code error;
    const std::size_t got = read_some(buffers, error);
    if (error) throw boost::system::system_error(error, "read_some");
    return got;
  }
  template <class ConstBuffers>
  std::size_t write_some(const ConstBuffers& buffers, boost::system::error_code& error) {
    std::array<stream::const_buffer, pieces_most> pieces;
    const std::size_t count = collect(buffers, pieces);
    std::error_code told;
    const std::size_t put = of_->write_some(std::span<const stream::const_buffer>(pieces.data(), count), told);
    error = translated(told);
    return put;
  }
  template <class ConstBuffers>
  std::size_t write_some(const ConstBuffers& buffers) {
    boost::system::error_code error;
    const std::size_t put = write_some(buffers, error);
    if (error) throw boost::system::system_error(error, "write_some");
    return put;
  }

 private:
  static constexpr std::size_t pieces_most = 16;

  // Those that are not empty: zero bytes of nothing but empty ones are not the end of the stream.
  template <class Buffers, class Piece>
  static std::size_t collect(const Buffers& buffers, std::array<Piece, pieces_most>& pieces) {
    using pointer = typename Piece::pointer;
    std::size_t count = 0;
    const auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto one = boost::asio::buffer_sequence_begin(buffers); one != end && count < pieces_most; ++one) {
      if ((*one).size() != 0) pieces[count++] = Piece(static_cast<pointer>((*one).data()), (*one).size());
    }
    return count;
  }
  static boost::system::error_code translated(const std::error_code& told) {
    if (!told) return {};
    return {told.value(), boost::system::system_category()};
  }

  stream* of_;
};

}  // namespace net
}  // namespace v0
}  // namespace ramie
