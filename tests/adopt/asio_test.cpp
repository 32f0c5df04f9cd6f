// Fibers that wait for Asio's operations: values, errors, immediate completions, cancelling, the wrong thread, the end.
#include <ramie/asio.hpp>
#include <ramie/error.hpp>

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

namespace ramie {
namespace {

namespace net = boost::asio;
using net::ip::tcp;
using namespace std::chrono_literals;

class asio_test : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(count_stacks().in_use, in_use_before_) << "a fiber was left behind"; }
  net::io_context context{1};

 private:
  std::uint64_t in_use_before_ = count_stacks().in_use;
};

TEST_F(asio_test, a_fiber_waits_and_the_thread_goes_on) {
  std::string order;
  for (char name : {'a', 'b'}) {
    spawn_fiber(context, [&, name] {
      net::steady_timer timer(context, 1ms);
      order += name;
      timer.async_wait(use_fiber);
      order += name;
    });
  }
  context.run();
  EXPECT_EQ(order.substr(0, 2), "ab");
  EXPECT_EQ(order.size(), 4U);
}

TEST_F(asio_test, bytes_go_over_a_real_connection_and_its_end_is_an_error) {
  tcp::acceptor acceptor(context, {net::ip::address_v4::loopback(), 0});
  std::string heard;
  boost::system::error_code end, refused;
  const tcp::endpoint gone = acceptor.local_endpoint();
  spawn_fiber(context, [&] {
    tcp::socket peer = acceptor.async_accept(use_fiber);
    char data[64];
    const std::size_t got = peer.async_read_some(net::buffer(data), use_fiber[end]);
    EXPECT_FALSE(end);
    net::async_write(peer, net::buffer(data, got), use_fiber);
    EXPECT_EQ(peer.async_read_some(net::buffer(data), net::redirect_error(use_fiber, end)), 0U);
    tcp::socket nobody(context);
    acceptor.close();
    EXPECT_THROW(nobody.async_connect(gone, use_fiber), boost::system::system_error);
    nobody.async_connect(gone, use_fiber[refused]);
  });
  spawn_fiber(context, [&] {
    tcp::socket server(context);
    server.async_connect(gone, use_fiber);
    net::async_write(server, net::buffer(std::string("over and back\n")), use_fiber);
    net::async_read_until(server, net::dynamic_buffer(heard), '\n', use_fiber);
  });
  context.run();
  EXPECT_EQ(heard, "over and back\n");
  EXPECT_EQ(end, net::error::eof);
  EXPECT_TRUE(refused);
}

TEST_F(asio_test, an_operation_that_completes_at_once_does_not_park) {
  bool resumed_inside = false;
  spawn_fiber(context, [&] {
    net::dispatch(context.get_executor(), use_fiber);  // runs inline: we are in the context's thread
    resumed_inside = true;
  });
  context.run_one();
  EXPECT_TRUE(resumed_inside);
}

// An operation of one's own, with any signature.
template <class Signature, class... Values>
auto complete_later(net::io_context& context, Values... values) {
  return net::async_initiate<const use_fiber_t, Signature>(
      [&context, values...](auto handler) {
        net::post(context, [handler = std::move(handler), values...]() mutable { handler(values...); });
      },
      use_fiber);
}

TEST_F(asio_test, values_come_as_nothing_itself_or_a_tuple_and_errors_are_thrown) {
  spawn_fiber(context, [&] {
    complete_later<void()>(context);
    EXPECT_EQ(complete_later<void(int)>(context, 7), 7);
    EXPECT_EQ((complete_later<void(int, std::string)>(context, 7, "x")), std::tuple(7, std::string("x")));
    EXPECT_EQ((complete_later<void(boost::system::error_code, int)>(context, boost::system::error_code(), 3)), 3);
    EXPECT_EQ((complete_later<void(std::exception_ptr, int)>(context, nullptr, 4)), 4);
    EXPECT_THROW((complete_later<void(std::exception_ptr)>(context, std::make_exception_ptr(std::logic_error("x")))),
                 std::logic_error);
  });
  context.run();
}

TEST_F(asio_test, what_escapes_a_fiber_is_thrown_from_run_and_the_context_goes_on) {
  spawn_fiber(context, [&] {
    net::post(context, use_fiber);
    throw std::runtime_error("out");
  });
  EXPECT_THROW(context.run(), std::runtime_error);
  context.restart();
  bool ran = false;
  spawn_fiber(context, [&] { ran = true; });
  context.run();
  EXPECT_TRUE(ran);
}

TEST_F(asio_test, a_cancellation_slot_reaches_the_operation) {
  net::cancellation_signal signal;
  boost::system::error_code error;
  spawn_fiber(context, [&] {
    net::steady_timer timer(context, 1h);
    timer.async_wait(net::bind_cancellation_slot(signal.slot(), use_fiber[error]));
  });
  net::post(context, [&] { net::post(context, [&] { signal.emit(net::cancellation_type::all); }); });
  context.run();
  EXPECT_EQ(error, net::error::operation_aborted);
}

TEST_F(asio_test, destroying_the_context_unwinds_the_fibers_that_wait) {
  int unwound = 0, started = 0;
  struct at_end {
    int& count;
    ~at_end() { ++count; }
  };
  {
    net::io_context own(1);
    for (int i = 0; i < 10; ++i) {
      spawn_fiber(own, [&] {
        const at_end here{unwound};
        ++started;
        net::steady_timer timer(own, 1h);
        timer.async_wait(use_fiber);
        ADD_FAILURE() << "went on";
      });
    }
    own.poll();
    spawn_fiber(own, [&] { ADD_FAILURE() << "never started"; });
    EXPECT_EQ(started, 10);
    EXPECT_EQ(unwound, 0);
  }
  EXPECT_EQ(unwound, 10);
}

TEST_F(asio_test, a_fiber_of_ones_own_waits_too) {
  bool done = false;
  fiber mine([&] {
    net::steady_timer timer(context, 1ms);
    timer.async_wait(use_fiber);
    done = true;
  });
  mine.resume();
  EXPECT_EQ(mine.state(), fiber_state::suspended);
  mine.resume();  // by mistake: it waits on
  EXPECT_FALSE(done);
  context.run();
  EXPECT_TRUE(done);
  EXPECT_TRUE(mine.done());
}

TEST_F(asio_test, raise_is_delivered_when_the_operation_has_let_go_of_the_buffers) {
  bool completed = false;
  std::string caught;
  net::steady_timer timer(context, 1ms);
  fiber mine([&] {
    try {
      timer.async_wait(use_fiber);
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
  });
  mine.resume();
  EXPECT_TRUE(mine.raise(std::make_exception_ptr(std::runtime_error("stop"))));
  EXPECT_EQ(caught, "");
  timer.cancel();
  net::post(context, [&] { completed = true; });
  context.run();
  EXPECT_TRUE(completed);
  EXPECT_EQ(caught, "stop");
}

TEST_F(asio_test, a_fiber_killed_while_it_waits_is_not_resumed_by_the_completion) {
  auto timer = std::make_unique<net::steady_timer>(context, 1ms);
  fiber mine([&] { timer->async_wait(use_fiber); });
  mine.resume();
  timer->cancel();
  EXPECT_TRUE(mine.kill());
  context.run();
  EXPECT_TRUE(mine.done());
}

TEST_F(asio_test, outside_of_a_fiber_the_operation_is_not_started) {
  net::steady_timer timer(context, 1h);
  try {
    timer.async_wait(use_fiber);
    FAIL() << "no refusal";
  } catch (const fiber_error& refused) {
    EXPECT_EQ(refused.code(), fiber_errc::no_resumer);
  }
  EXPECT_EQ(context.run(), 0U);
}

TEST_F(asio_test, a_completion_on_another_thread_is_a_typed_error_there) {
  fiber mine([&] {
    net::steady_timer timer(context, 1ms);
    timer.async_wait(use_fiber);
  });
  mine.resume();
  std::error_code code;
  std::thread([&] {
    try {
      context.run();
    } catch (const fiber_error& refused) {
      code = refused.code();
    }
  }).join();
  EXPECT_EQ(code, fiber_errc::other_thread);
  EXPECT_EQ(mine.state(), fiber_state::suspended);
}

TEST_F(asio_test, ten_thousand_fibers_wait_at_once) {
  int done = 0;
  for (int i = 0; i < 10000; ++i) {
    spawn_fiber(context, [&] {
      for (int turn = 0; turn < 3; ++turn) net::post(context, use_fiber);
      ++done;
    });
  }
  context.run();
  EXPECT_EQ(done, 10000);
}

}  // namespace
}  // namespace ramie
