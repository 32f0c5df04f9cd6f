// Beast's parser and Asio's algorithms over a net::stream.
#include "io/net_world.hpp"

#include <ramie/net_asio.hpp>

#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace {

using namespace ramie_test;
namespace http = boost::beast::http;

class with_boost : public net_world {};

static_assert(boost::beast::is_sync_stream<net::asio_stream>::value);

TEST_F(with_boost, a_request_and_its_answer_go_through_beast) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    s.spawn([&far] {
      net::asio_stream stream(far);
      boost::beast::flat_buffer buffer;
      http::request<http::string_body> request;
      http::read(stream, buffer, request);
      http::response<http::string_body> answer(http::status::ok, request.version());
      answer.body() = "you asked for " + std::string(request.target());
      answer.prepare_payload();
      http::write(stream, answer);
      boost::system::error_code error;
      http::read(stream, buffer, request, error);
      EXPECT_EQ(error, http::error::end_of_stream);
    });
    net::asio_stream stream(near);
    http::request<http::empty_body> request(http::verb::get, "/a/page", 11);
    request.set(http::field::host, "localhost");
    http::write(stream, request);
    boost::beast::flat_buffer buffer;
    http::response<http::string_body> answer;
    http::read(stream, buffer, answer);
    EXPECT_EQ(answer.result(), http::status::ok);
    EXPECT_EQ(answer.body(), "you asked for /a/page");
    near.shutdown_send();
    s.join();
  });
}

TEST_F(with_boost, read_until_finds_lines_and_then_the_end) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    s.spawn([&far] {
      for (const char* part : {"first li", "ne\nsecond", " line\nrest"}) {
        far.write_all(part);
        ramie::this_task::sleep_for(1ms);
      }
      far.shutdown_send();
    });
    net::asio_stream stream(near);
    std::string data;
    EXPECT_EQ(boost::asio::read_until(stream, boost::asio::dynamic_buffer(data), '\n'), 11U);
    data.erase(0, 11);
    EXPECT_EQ(boost::asio::read_until(stream, boost::asio::dynamic_buffer(data), '\n'), 12U);
    data.erase(0, 12);
    boost::system::error_code error;
    boost::asio::read_until(stream, boost::asio::dynamic_buffer(data), '\n', error);
    EXPECT_EQ(error, boost::asio::error::eof);
    EXPECT_EQ(data, "rest");
    s.join();
  });
}

TEST_F(with_boost, asio_reads_and_writes_until_all_is_done) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    const std::string text(1 << 20, 'x');
    s.spawn([&far, &text] {
      net::asio_stream stream(far);
      EXPECT_EQ(boost::asio::write(stream, boost::asio::buffer(text)), text.size());
      far.shutdown_send();
    });
    net::asio_stream stream(near);
    std::string got;
    boost::system::error_code error;
    boost::asio::read(stream, boost::asio::dynamic_buffer(got), error);
    EXPECT_EQ(error, boost::asio::error::eof);
    EXPECT_TRUE(got == text);
    s.join();
  });
}

TEST_F(with_boost, errors_of_the_system_are_boosts) {
  ramie::run([] {
    auto near_and_far = net::socket_pair();
    auto &near = near_and_far.first, &far = near_and_far.second;
    far.close();
    net::asio_stream stream(near);
    boost::system::error_code error;
    boost::asio::write(stream, boost::asio::buffer("x", 1), error);
    EXPECT_EQ(error, boost::asio::error::broken_pipe);
    EXPECT_THROW(stream.write_some(boost::asio::buffer("x", 1)), boost::system::system_error);
  });
}

}  // namespace
