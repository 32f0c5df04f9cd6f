#include "server.hpp"

#include <ramie/fiber.hpp>
#include <ramie/net_asio.hpp>

#include <fcntl.h>

#include <array>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstdio>
#include <new>
#include <string>
#include <utility>

namespace site {
namespace {

namespace http = boost::beast::http;
using namespace std::chrono_literals;
using ramie::net::stream;

constexpr std::size_t discard_most = 4 << 20;

http::response<http::string_body> response_to(bool is_head, unsigned version, bool keep_alive, page what) {
  http::response<http::string_body> answer(http::int_to_status(what.status), version);
  answer.set(http::field::server, "ramie");
  answer.set(http::field::content_type, {what.type.data(), what.type.size()});
  answer.keep_alive(keep_alive);
  answer.content_length(what.body.size());
  if (!is_head) answer.body() = std::move(what.body);
  return answer;
}

// What is unread when a socket is closed makes the kernel take back what was sent: so it is read, for a moment.
void end_gently(stream& peer) {
  std::error_code error;
  try {
    peer.shutdown_send();
  } catch (const std::system_error&) {
    return;  // it has gone already
  }
  static_cast<void>(ramie::try_for(1s, [&] {
    std::array<std::byte, 16 << 10> data;
    for (std::size_t all = 0; all < discard_most;) {
      const std::size_t got = peer.read_some(std::span(data), error);
      if (got == 0) return;
      all += got;
    }
  }));
}

stream one_descriptor() {
  const int number = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  return number < 0 ? stream() : stream::adopt(number);
}

// The answer to what is no request; 0: none, it has ended or failed.
unsigned status_of(const boost::system::error_code& error) {
  if (error == http::error::header_limit) return 431;
  if (error == http::error::body_limit) return 413;
  if (error == http::error::end_of_stream || error == http::error::partial_message) return 0;
  return error.category() == make_error_code(http::error::bad_method).category() ? 400 : 0;
}

void send(stream& peer, http::response<http::string_body>& answer, bool is_head) {
  ramie::net::asio_stream out(peer);
  http::response_serializer<http::string_body> parts(answer);
  if (is_head) {
    http::write_header(out, parts);
  } else {
    http::write(out, parts);
  }
}

}  // namespace

server::server(ramie::net::listener& door, limits given) : door_(door), limits_(given), spare_(one_descriptor()) {}

void server::run() {
  ramie::with_scope([&](ramie::scope& s) {
    accept_all(s);
    // Those that are not done when their time is over are cancelled, wherever they wait.
    if (!open_.empty() && !ramie::try_for(limits_.grace, [&] { all_gone_.wait(); })) s.cancel();
  });
}

void server::stop() noexcept {
  stopping_ = true;
  door_.close();
  for (connection& one : open_) {
    if (one.idle) one.peer.close();
  }
}

void server::accept_all(ramie::scope& s) {
  while (!stopping_) {
    std::error_code error;
    stream peer = door_.accept(error);
    if (!error) {
      admit(std::move(peer), s);
    } else if (error == std::errc::too_many_files_open || error == std::errc::too_many_files_open_in_system) {
      answer_out_of_descriptors();
    } else if (!stopping_) {
      throw std::system_error(error, "accept");
    }
  }
}

void server::admit(stream peer, ramie::scope& s) {
  ++counts_.connections;
  if (open_.size() >= limits_.connections) return refuse(peer, "too many connections");
  auto place = open_.end();
  try {
    place = open_.emplace(open_.end());
    place->peer = std::move(peer);
    s.spawn([this, place] { live(place); }, {.name = "connection", .stack_at_spawn = true});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "refused a connection: %s\n", error.what());
    if (place != open_.end()) {
      peer = std::move(place->peer);
      open_.erase(place);
    }
    return refuse(peer, "no stack, or no memory");
  }
  ++counts_.open;
}

void server::answer_out_of_descriptors() {
  spare_ = stream();
  std::error_code error;
  stream peer = door_.accept(error);
  if (!error) {
    ++counts_.connections;
    refuse(peer, "no descriptor is left (RLIMIT_NOFILE, ulimit -n)");
  }
  peer = stream();
  spare_ = one_descriptor();
  if (!spare_.is_open()) ramie::this_task::sleep_for(10ms);  // somebody else was quicker; connections stay in line
}

void server::refuse(stream& peer, const char* why) {
  ++counts_.refused;
  if (limits_.log) std::printf("503 - %s\n", why);
  // The acceptor itself answers: what has arrived of the request is read, so that closing does not take the answer
  // back.
  static_cast<void>(ramie::try_for(20ms, [&] {
    std::array<std::byte, 4096> data;
    std::error_code error;
    peer.read_some(std::span(data), error);
    static constexpr std::string_view answer =
        "HTTP/1.1 503 Service Unavailable\r\nServer: ramie\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n";
    peer.write_all(std::as_bytes(std::span(answer)), error);
  }));
}

// What fails in a connection ends this connection.
void server::live(std::list<connection>::iterator place) {
  struct leaver {
    server& of;
    std::list<connection>::iterator place;
    ~leaver() {
      of.open_.erase(place);
      --of.counts_.open;
      if (of.stopping_ && of.open_.empty()) of.all_gone_.set();
    }
  };
  const leaver gone{*this, place};
  try {
    serve(*place);
  } catch (const std::bad_alloc&) {
    refuse(place->peer, "no memory");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "a connection ended: %s\n", error.what());
  }
}

void server::serve(connection& one) {
  ramie::net::asio_stream in(one.peer);
  boost::beast::flat_buffer buffer(64 << 10);
  std::error_code told;
  const ramie::net::endpoint from = one.peer.remote();
  for (bool keep = true; keep && !stopping_;) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(limits_.header_bytes);
    parser.body_limit(limits_.body_bytes);
    boost::system::error_code error;
    // The first byte may take its time, the rest may not.
    one.idle = buffer.size() == 0;
    if (one.idle) {
      const bool in_time = ramie::try_for(limits_.idle, [&] {
        const std::size_t got =
            one.peer.read_some(std::span(static_cast<std::byte*>(buffer.prepare(4096).data()), 4096), told);
        buffer.commit(got);
      });
      if (!in_time) ++counts_.timed_out;
      if (!in_time || buffer.size() == 0) return;
    }
    one.idle = false;
    unsigned refused = 0;
    if (!ramie::try_for(limits_.request, [&] { http::read(in, buffer, parser, error); })) {
      ++counts_.timed_out;
      refused = 408;
    } else if (error && (refused = status_of(error)) == 0) {
      return;
    }
    const auto& request = parser.get();
    const bool is_head = refused == 0 && request.method() == http::verb::head;
    const bool is_get = request.method() == http::verb::get;
    if (refused == 0) ++counts_.requests;
    page what = refused != 0        ? of_error(refused, error ? error.message() : "The request took too long.")
                : is_head || is_get ? find({request.target().data(), request.target().size()}, counts_)
                                    : of_error(405, "GET and HEAD are known here.");
    keep = refused == 0 && request.keep_alive() && !stopping_;
    const std::size_t size = what.body.size();
    auto answer = response_to(is_head, refused == 0 ? request.version() : 11, keep, std::move(what));
    if (answer.result_int() == 405) answer.set(http::field::allow, "GET, HEAD");
    if (limits_.log) {
      const std::string line(request.target().data(), request.target().size());
      std::printf("%u %s %s %zu %s\n", answer.result_int(), refused != 0 ? "-" : request.method_string().data(),
                  refused != 0 ? "-" : line.c_str(), size, from.text().c_str());
    }
    try {
      if (!ramie::try_for(limits_.request, [&] { send(one.peer, answer, is_head); })) {
        ++counts_.timed_out;
        return;
      }
    } catch (const boost::system::system_error&) {
      return;  // the client has gone
    }
  }
  end_gently(one.peer);
}

}  // namespace site
