// An HTTP client for real_parts.py: net::connect by name, Beast's parser, many tasks.
//
//     http_client get NAME:PORT PATH REQUESTS TASKS BYTES   each task its share on one connection; each body so long
//     http_client chunked NAME:PORT PATH                    a gzip body in chunks, to standard output
//     http_client cut NAME:PORT PATH                        says "reading" when the header is there; then the body's
//     error
#include <ramie/net.hpp>
#include <ramie/net_asio.hpp>
#include <ramie/runtime.hpp>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>

namespace {

namespace http = boost::beast::http;
namespace net = ramie::net;

http::request<http::empty_body> request_for(const std::string& path, bool packed) {
  http::request<http::empty_body> request(http::verb::get, path, 11);
  request.set(http::field::host, "localhost");
  if (packed) request.set(http::field::accept_encoding, "gzip");
  return request;
}

// How many of them were as they should be.
int get(const std::string& server, const std::string& path, int requests, std::size_t bytes) {
  net::stream peer = net::connect(server);
  net::asio_stream stream(peer);
  boost::beast::flat_buffer buffer;
  int right = 0;
  for (int i = 0; i < requests; ++i) {
    http::write(stream, request_for(path, false));
    http::response_parser<http::string_body> answer;
    answer.body_limit(std::numeric_limits<std::uint64_t>::max());
    http::read(stream, buffer, answer);
    if (answer.get().result() == http::status::ok && answer.get().body().size() == bytes) ++right;
  }
  return right;
}

int get_all(char** arguments) {
  const int requests = std::atoi(arguments[4]), tasks = std::atoi(arguments[5]);
  const auto bytes = static_cast<std::size_t>(std::atoi(arguments[6]));
  int right = 0;
  ramie::with_scope([&](ramie::scope& s) {
    for (int i = 0; i < tasks; ++i)
      s.spawn([&] { right += get(arguments[2], arguments[3], requests / tasks, bytes); }, {.name = "client"});
  });
  std::printf("%d of %d right\n", right, requests);
  return right == requests ? 0 : 1;
}

int chunked(char** arguments) {
  net::stream peer = net::connect(std::string(arguments[2]));
  net::asio_stream stream(peer);
  boost::beast::flat_buffer buffer;
  http::write(stream, request_for(arguments[3], true));
  http::response<http::string_body> answer;
  http::read(stream, buffer, answer);
  std::fwrite(answer.body().data(), 1, answer.body().size(), stdout);
  return answer.chunked() ? 0 : 1;
}

int cut(char** arguments) {
  net::stream peer = net::connect(std::string(arguments[2]));
  net::asio_stream stream(peer);
  boost::beast::flat_buffer buffer;
  http::write(stream, request_for(arguments[3], false));
  http::response_parser<http::string_body> answer;
  answer.body_limit(std::numeric_limits<std::uint64_t>::max());
  http::read_header(stream, buffer, answer);
  std::puts("reading");
  std::fflush(stdout);
  boost::system::error_code error;
  http::read(stream, buffer, answer, error);
  std::printf("%s\n", error.message().c_str());
  return error == http::error::partial_message || error == std::errc::connection_reset ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string what = count > 1 ? arguments[1] : "";
  return ramie::run([&] {
    if (what == "get" && count == 7) return get_all(arguments);
    if (what == "chunked" && count == 4) return chunked(arguments);
    if (what == "cut" && count == 4) return cut(arguments);
    std::fputs("usage: http_client get|chunked|cut NAME:PORT PATH [REQUESTS TASKS BYTES]\n", stderr);
    return 2;
  });
}
