// Operations that are called off, time out or lose their descriptor: nothing is lost, nothing happens twice, nothing
// happens to somebody else.
#include "io/net_world.hpp"

#include <ramie/channel.hpp>
#include <ramie/event.hpp>

#include <array>
#include <cstring>
#include <thread>
#include <vector>

namespace {

using namespace ramie_test;

class calling_off : public net_world {};

// As the two are told everywhere: who cancels a reader often closes what it read from at once.
TEST_F(calling_off, one_that_is_cancelled_and_then_closed_is_cancelled_and_the_other_way_round_it_is_closed) {
  ramie::run([](ramie::scope& s) {
    for (const bool close_first : {false, true}) {
      for (auto make :
           {+[] { return connected(); }, +[] { return net::socket_pair(); }, +[] { return net::pipe_pair(); }}) {
        auto ends = make();
        std::error_code told;
        auto reads = s.spawn([&] { told = error_of([&] { read_text(ends.first); }); });
        while (reads.state() != ramie::task_state::waiting) ramie::this_task::sleep_for(1ms);
        if (close_first) ends.first.close();
        reads.cancel();
        ends.first.close();
        reads.join();
        EXPECT_EQ(told == std::errc::operation_canceled, close_first) << told.message();
        EXPECT_EQ(reads.state(), close_first ? ramie::task_state::finished : ramie::task_state::cancelled);
      }
    }
  });
}

TEST_F(calling_off, a_read_that_timed_out_leaves_the_bytes_to_the_next) {
  ramie::run([] {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    EXPECT_FALSE(ramie::try_for(5ms, [&near] { read_text(near); }));
    far.write_all("later");
    EXPECT_EQ(read_text(near), "later");
  });
}

TEST_F(calling_off, a_message_that_is_read_and_written_in_turns_goes_on_after_each_limit) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = net::socket_pair();
    auto &near = near_and_far.first, &far = near_and_far.second;
    std::string sent(1 << 20, '\0');
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7 % 251);
    // Each waits for the other to have been late.
    int write_limits = 0, read_limits = 0;
    s.spawn([&] {
      std::size_t done = 0;
      const std::string_view all = sent, most = all.substr(0, all.size() - 100);
      while (!ramie::try_for(300us, [&] { near.write_all(most, done); })) ++write_limits;
      EXPECT_EQ(done, most.size());
      while (read_limits == 0) ramie::this_task::sleep_for(1ms);
      while (!ramie::try_for(300us, [&] { near.write_all(all, done); })) ++write_limits;
      EXPECT_EQ(done, all.size());
      near.write_all(all, done);  // nothing is left to do
      near.close();
    });
    std::string got(sent.size() + 1, '\0');
    std::size_t done = 0, before = 0;
    while (write_limits == 0) ramie::this_task::sleep_for(1ms);
    while (!ramie::try_for(300us, [&] { far.read_exactly(std::span(got), done); })) {
      ++read_limits;
      EXPECT_GE(done, before);
      before = done;
    }
    EXPECT_EQ(done, sent.size()) << "less than asked for: it has ended";
    got.resize(done);
    EXPECT_TRUE(got == sent);
    s.join();
  });
}

TEST_F(calling_off, an_accept_that_timed_out_leaves_the_connection_to_the_next) {
  ramie::run([] {
    net::listener door("127.0.0.1:0");
    EXPECT_FALSE(ramie::try_for(5ms, [&] { static_cast<void>(door.accept()); }));
    net::stream near = net::connect(door.local());
    net::stream far = door.accept();
    far.write_all("x");
    EXPECT_EQ(read_text(near), "x");
  });
}

TEST_F(calling_off, a_connect_that_nobody_answers_ends_with_its_time) {
  ramie::run([] {
    // One that accepts nothing: when its line is full the kernel drops what knocks.
    net::listener door("127.0.0.1:0", {.backlog = 0});
    std::vector<net::stream> in_line;
    bool was_late = false;
    for (int i = 0; i < 10 && !was_late; ++i) {
      was_late = !ramie::try_for(50ms, [&] { in_line.push_back(net::connect(door.local())); });
    }
    EXPECT_TRUE(was_late);
  });
}

TEST_F(calling_off, what_can_be_done_at_once_is_done_although_the_time_is_over) {
  ramie::run([] {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    far.write_all("there already");
    ramie::this_task::sleep_for(1ms);
    std::string got;
    EXPECT_TRUE(ramie::try_for(0ms, [&near, &got] {
      ramie::this_task::reduce(100'000);
      got = read_text(near);
    }));
    EXPECT_EQ(got, "there already");
  });
}

TEST_F(calling_off, a_cancelled_reader_takes_nothing_from_the_other) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    auto first = s.spawn([&near] { return read_text(near); });
    auto second = s.spawn([&near] { return read_text(near); });
    ramie::this_task::sleep_for(1ms);
    far.write_all("for whoever is there");
    first.cancel();
    first.join();
    EXPECT_EQ(first.state() == ramie::task_state::cancelled ? second.get() : first.get(), "for whoever is there");
    far.close();
    second.join();
  });
}

TEST_F(calling_off, racing_with_data_loses_and_doubles_nothing) {
  std::mt19937_64 random(seed());
  ramie::run([&](ramie::scope& s) {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    near.set_no_delay();
    constexpr std::uint32_t total = 20'000;
    std::uint32_t sent = 0, seen = 0;
    int called_off = 0;
    s.spawn([&near, &sent, &random] {
      while (sent < total) {
        std::array<std::uint32_t, 16> numbers;
        const std::uint32_t count = std::min<std::uint32_t>(total - sent, 1 + random() % numbers.size());
        for (std::uint32_t i = 0; i < count; ++i) numbers[i] = sent + i;
        near.write_all(std::as_bytes(std::span(numbers).first(count)));
        sent += count;
        if (random() % 4 == 0) ramie::this_task::sleep_for(std::chrono::microseconds(random() % 200));
      }
      near.shutdown_send();
    });
    std::vector<std::byte> rest;
    bool ended = false;
    while (!ended) {
      std::array<std::byte, 100> piece;
      std::size_t got = 0;
      const auto patience = std::chrono::microseconds(random() % 150);
      const bool in_time = ramie::try_for(patience, [&far, &piece, &got, &ended] {
        got = far.read_some(piece);
        ended = got == 0;
      });
      // Bytes and a time limit: the read has returned, and the limit is told at the next wait, which is not in there.
      if (!in_time) {
        ++called_off;
        ASSERT_EQ(got, 0U);
      }
      rest.insert(rest.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
      std::size_t place = 0;
      for (; place + 4 <= rest.size(); place += 4) {
        std::uint32_t number = 0;
        std::memcpy(&number, rest.data() + place, 4);
        ASSERT_EQ(number, seen);
        ++seen;
      }
      rest.erase(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(place));
    }
    EXPECT_EQ(seen, total);
    std::printf("%d reads were called off\n", called_off);
  });
}

TEST_F(calling_off, closing_wakes_who_waits_with_an_error_of_its_own) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    net::listener door("127.0.0.1:0");
    auto reads = s.spawn([&near] { return error_of([&] { read_text(near); }); });
    auto reads_too = s.spawn([&near] { return error_of([&] { read_text(near); }); });
    auto accepts = s.spawn([&] { return error_of([&] { static_cast<void>(door.accept()); }); });
    for (const auto* one : {&reads, &reads_too, &accepts}) {
      while (one->state() != ramie::task_state::waiting) ramie::this_task::yield();
    }
    near.close();
    door.close();
    EXPECT_EQ(reads.get(), std::errc::operation_canceled);
    EXPECT_EQ(reads_too.get(), std::errc::operation_canceled);
    EXPECT_EQ(accepts.get(), std::errc::operation_canceled);
    EXPECT_EQ(read_text(far), "");  // the other end was told
  });
}

TEST_F(calling_off, a_number_that_is_used_again_is_somebody_elses) {
  ramie::run([](ramie::scope& s) {
    for (int round = 0; round < 50; ++round) {
      auto near_and_far = net::socket_pair();
      auto &near = near_and_far.first, &far = near_and_far.second;
      auto reads = s.spawn([&near] { return error_of([&] { read_text(near); }); });
      ramie::this_task::yield();
      const int number = near.number();
      far.write_all("too late");
      near.close();
      reads.join();
      auto next_and_next_far = net::socket_pair();
      auto &next = next_and_next_far.first, &next_far = next_and_next_far.second;
      EXPECT_EQ(next.number(), number) << "the lowest free number";
      auto reads_next = s.spawn([&next] { return read_text(next); });
      for (int i = 0; i < 3; ++i) ramie::this_task::yield();
      EXPECT_FALSE(reads_next.done());
      next_far.write_all("its own");
      EXPECT_EQ(reads_next.get(), "its own");
    }
  });
}

TEST_F(calling_off, closing_from_another_thread_wakes_too) {
  for (int round = 0; round < 20; ++round) {
    std::pair<net::stream, net::stream> ends = net::socket_pair();
    ramie::event waits;
    std::thread closer([&] {
      waits.wait();
      if (round % 2 == 0) std::this_thread::sleep_for(1ms);
      ends.first.close();
    });
    const std::error_code error = ramie::run([&](ramie::scope& s) {
      auto reads = s.spawn([&] { return error_of([&] { read_text(ends.first); }); });
      s.spawn([&] { waits.set(); });
      return reads.get();
    });
    EXPECT_TRUE(error == std::errc::operation_canceled || error == std::errc::bad_file_descriptor) << error.message();
    closer.join();
  }
}

TEST_F(calling_off, a_shielded_read_is_not_called_off) {
  ramie::run([](ramie::scope& s) {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    std::string got;
    auto reads = s.spawn([&near, &got] { ramie::with_shield(10s, [&] { got = read_text(near); }); });
    ramie::this_task::sleep_for(1ms);
    reads.cancel();
    ramie::this_task::sleep_for(1ms);
    far.write_all("in the shield");
    reads.join();
    EXPECT_EQ(got, "in the shield");
  });
}

TEST_F(calling_off, a_destructor_may_still_write_while_an_exception_is_on_its_way) {
  ramie::run([] {
    auto near_and_far = connected();
    auto &near = near_and_far.first, &far = near_and_far.second;
    struct says_goodbye {
      net::stream& to;
      ~says_goodbye() { to.write_all("goodbye"); }
    };
    EXPECT_THROW(
        {
          const says_goodbye at_the_end{near};
          throw std::runtime_error("on its way");
        },
        std::runtime_error);
    EXPECT_EQ(read_text(far), "goodbye");
  });
}

TEST_F(calling_off, all_at_once) {
  ramie::run([] {
    std::vector<std::pair<net::stream, net::stream>> all;
    for (int i = 0; i < 1000; ++i) all.push_back(net::socket_pair());
    EXPECT_FALSE(ramie::try_for(20ms, [&] {
      ramie::with_scope([&](ramie::scope& s) {
        for (auto& each : all) s.spawn([&] { read_text(each.first); });
      });
    }));
    for (auto& each : all) {
      each.second.write_all("x");
      ASSERT_EQ(read_text(each.first), "x");
    }
  });
}

}  // namespace
