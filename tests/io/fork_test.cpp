// A plain fork() of a process that has pollers and selectors: the parent's do not notice, and the child's are its own.
#include "fiber/forked.hpp"
#include "io/net_world.hpp"

#include <ramie/offload.hpp>
#include <ramie/selector.hpp>

#include <atomic>
#include <thread>

namespace ramie_test {
namespace {

using ramie::scope;
using ramie::selector;

class fork_test : public net_world {
 protected:
  void SetUp() override {
    net_world::SetUp();
    if (!children_start_threads()) GTEST_SKIP();
  }
};

// A client and a server of this process speak some rounds.
bool echoes(int rounds) {
  return ramie::with_scope([&](scope& s) {
    bool good = true;
    net::listener door("127.0.0.1:0");
    auto server = s.spawn([&] {
      net::stream peer = door.accept();
      for (int i = 0; i < rounds; ++i) peer.write_all(read_text(peer));
    });
    net::stream mine = net::connect(door.local());
    for (int i = 0; i < rounds; ++i) {
      const std::string word = std::to_string(i);
      mine.write_all(word);
      good = good && read_text(mine) == word;
    }
    server.join();
    return good;
  });
}

TEST_F(fork_test, parent_and_child_each_go_on_with_sockets_of_their_own) {
  ramie::run([] {
    EXPECT_TRUE(echoes(20));
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(code_of_child([] { return echoes(100) ? 0 : 1; }), 0);
      EXPECT_TRUE(echoes(20));
    }
  });
}

TEST_F(fork_test, a_child_of_a_child_does_too) {
  ramie::run([] {
    EXPECT_TRUE(echoes(2));
    EXPECT_EQ(code_of_child([] {
                if (!echoes(2)) return 1;
                const int code = code_of_child([] { return echoes(20) ? 0 : 2; });
                return code != 0 ? code : echoes(20) ? 0 : 3;
              }),
              0);
    EXPECT_TRUE(echoes(20));
  });
}

TEST_F(fork_test, they_speak_at_the_same_time) {
  ramie::run([] {
    EXPECT_TRUE(echoes(2));
    for (int i = 0; i < 3; ++i) {
      const pid_t child = fork();
      if (child == 0) {
        alarm(20);
        _exit(echoes(500) ? 0 : 1);
      }
      EXPECT_TRUE(echoes(500));
      const int status = ramie::offload([child] {
        int told = 0;
        waitpid(child, &told, 0);
        return told;
      });
      EXPECT_EQ(status, 0);
    }
  });
}

TEST_F(fork_test, who_waited_in_read_goes_on_in_the_child_or_is_told_and_the_parents_reads_on) {
  ramie::run([](scope& s) {
    auto [near, far] = connected();
    std::string got;
    std::error_code error;
    s.spawn([&, &to = near] {
      char letter = 0;
      const std::size_t count = to.read_some(std::span(&letter, 1), error);
      if (!error) got.assign(&letter, count);
    });
    ramie::this_task::sleep_for(5ms);
    EXPECT_EQ(code_of_child([&, &from = far] {
                ramie::this_task::sleep_for(20ms);
                if (error) return error == std::errc::operation_canceled ? 0 : 1;
                from.write_all("c");
                s.join();
                return !error && got == "c" ? 0 : 2;
              }),
              0);
    EXPECT_TRUE(got.empty() && !error) << got << error.message();
    far.write_all("p");
    s.join();
    EXPECT_EQ(got, "p") << error.message();
  });
}

TEST_F(fork_test, the_error_says_that_the_process_was_forked) {
  ramie::run([](scope& s) {
    auto [near, far] = connected();
    std::string text;
    s.spawn([&, &to = near] {
      try {
        static_cast<void>(read_text(to));
      } catch (const std::system_error& failure) {
        text = failure.what();
      }
    });
    ramie::this_task::sleep_for(5ms);
    EXPECT_EQ(code_of_child([&, &from = far] {
                ramie::this_task::sleep_for(20ms);
                if (!text.empty()) return text.find("was forked") != std::string::npos ? 0 : 1;
                from.write_all("c");  // where it goes on
                s.join();
                return 0;
              }),
              0);
    far.write_all("p");
    s.join();
    EXPECT_EQ(text, "");
  });
}

TEST_F(fork_test, who_waited_in_accept_accepts_in_the_child) {
  ramie::run([](scope& s) {
    net::listener door("127.0.0.1:0");
    int accepted = 0;
    s.spawn([&] {
      net::stream peer = door.accept();
      ++accepted;
    });
    ramie::this_task::sleep_for(5ms);
    EXPECT_EQ(code_of_child([&] {
                // The parent waits for one too, and may get the first.
                net::stream first = net::connect(door.local()), second = net::connect(door.local());
                s.join();
                return accepted == 1 ? 0 : 1;
              }),
              0);
    net::stream mine = net::connect(door.local());
    s.join();
    EXPECT_EQ(accepted, 1);
  });
}

TEST_F(fork_test, what_the_child_closes_stays_watched_in_the_parent) {
  ramie::run([](scope& s) {
    auto [near, far] = connected();
    std::string got;
    s.spawn([&, &to = near] {
      std::error_code ignored;
      got = std::string(8, ' ');
      got.resize(to.read_some(std::span(got.data(), got.size()), ignored));
    });
    ramie::this_task::sleep_for(5ms);
    EXPECT_EQ(code_of_child([&, &first = near, &second = far] {
                first.close();
                second.close();
                s.join();
                return echoes(10) ? 0 : 1;
              }),
              0);
    far.write_all("parent");
    s.join();
    EXPECT_EQ(got, "parent");
  });
}

TEST_F(fork_test, who_is_cancelled_in_the_child_ends_there) {
  ramie::run([](scope& s) {
    auto [near, far] = connected();
    bool ended = false;
    auto reader = s.spawn([&, &to = near] {
      struct last_word {
        bool& said;
        ~last_word() { said = true; }
      } const mine{ended};
      static_cast<void>(read_text(to));
    });
    ramie::this_task::sleep_for(5ms);
    EXPECT_EQ(code_of_child([&] {
                reader.cancel();
                reader.join();
                return ended && reader.state() == ramie::task_state::cancelled ? 0 : 1;
              }),
              0);
    EXPECT_FALSE(ended);
    far.write_all("p");
    s.join();
  });
}

TEST_F(fork_test, a_fork_while_another_thread_serves_leaves_both_able) {
  if (!others_may_allocate_at_a_fork()) GTEST_SKIP();
  std::atomic<bool> over = false;
  std::thread other([&] {
    ramie::run([&] {
      while (!over) EXPECT_TRUE(echoes(5));
    });
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(code_of_child([] {
                bool good = true;
                ramie::run([&] { good = echoes(5); });
                std::thread([&] { ramie::run([&] { good = good && echoes(5); }); }).join();
                return good ? 0 : 1;
              }),
              0)
        << i;
  }
  over = true;
  other.join();
}

// --- selectors -------------------------------------------------------------------------------------------------------

struct pipe_ends {
  int ends[2] = {-1, -1};
  pipe_ends() { EXPECT_EQ(pipe(ends), 0); }
  ~pipe_ends() {
    close(ends[0]);
    close(ends[1]);
  }
  pipe_ends(const pipe_ends&) = delete;
  pipe_ends& operator=(const pipe_ends&) = delete;
  void put() const { EXPECT_EQ(write(ends[1], "x", 1), 1); }
  void take() const {
    char one = 0;
    EXPECT_EQ(read(ends[0], &one, 1), 1);
  }
};

TEST_F(fork_test, a_selector_closed_in_the_child_goes_on_in_the_parent) {
  const pipe_ends given;
  selector all;
  selector::monitor one(all, given.ends[0], selector::interest::read);
  EXPECT_EQ(all.select(0ns), 0U);
  EXPECT_EQ(code_of_child([&] {
              one.close();
              all.close();
              return all.closed() ? 0 : 1;
            }),
            0);
  given.put();
  EXPECT_EQ(all.select(1s), 1U);
}

TEST_F(fork_test, a_selector_is_used_on_in_the_child) {
  const pipe_ends given, others;
  selector all;
  selector::monitor one(all, given.ends[0], selector::interest::read);
  EXPECT_EQ(all.select(0ns), 0U);
  EXPECT_EQ(code_of_child([&] {
              all.wakeup();
              if (all.select(5s) != 0) return 1;
              given.put();
              if (all.select(5s) != 1 || !one.is_readable()) return 2;
              given.take();
              selector::monitor more(all, others.ends[0], selector::interest::read);
              one.set_interests(selector::interest::none);
              others.put();
              given.put();
              const std::size_t told = all.select(5s);
              given.take();
              others.take();
              return told == 1 && more.is_readable() ? 0 : 3;
            }),
            0);
  EXPECT_EQ(all.select(0ns), 0U) << "neither its wakeup nor its monitors are the parent's";
  given.put();
  EXPECT_EQ(all.select(1s), 1U);
}

TEST_F(fork_test, a_task_that_waited_in_select_waits_on_in_the_child) {
  ramie::run([](scope& s) {
    const pipe_ends given;
    selector all;
    selector::monitor one(all, given.ends[0], selector::interest::read);
    std::size_t told = 0;
    s.spawn([&] { told = all.select(); });
    ramie::this_task::sleep_for(5ms);
    EXPECT_EQ(code_of_child([&] {
                ramie::this_task::sleep_for(5ms);
                if (told != 0) return 1;
                given.put();
                s.join();
                given.take();
                return told == 1 && echoes(3) ? 0 : 2;
              }),
              0);
    EXPECT_EQ(told, 0U);
    given.put();
    s.join();
    EXPECT_EQ(told, 1U);
  });
}

}  // namespace
}  // namespace ramie_test
