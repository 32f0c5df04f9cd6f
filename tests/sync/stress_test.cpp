// Random use of channels: on one thread against a naive model, and between threads against what must hold at the end.
#include "task/task_world.hpp"

#include <ramie/mutex.hpp>
#include <ramie/select.hpp>
#include <ramie/semaphore.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <thread>

namespace ramie_test {
namespace {

using ramie::channel;
using ramie::scope;
using ramie::this_task::yield;

std::uint64_t seed() {
  const char* given = std::getenv("RAMIE_TEST_SEED");
  const std::uint64_t start = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("RAMIE_TEST_SEED=%llu\n", static_cast<unsigned long long>(start));
  return start;
}

// What a channel is, told simply: values, and who waits, in order.
struct naive_channel {
  std::size_t capacity;
  std::deque<int> values;
  std::deque<std::pair<int, int>> senders;  // who, value
  std::deque<int> receivers;
  std::map<int, std::string> ended;  // who, how

  void send(int who, int value) {
    if (!receivers.empty()) {
      ended[receivers.front()] = std::to_string(value);
      receivers.pop_front();
      ended[who] = "sent";
    } else if (values.size() < capacity) {
      values.push_back(value);
      ended[who] = "sent";
    } else {
      senders.emplace_back(who, value);
    }
  }
  void receive(int who) {
    if (values.empty() && senders.empty()) return receivers.push_back(who);
    if (!senders.empty()) {
      values.push_back(senders.front().second);
      ended[senders.front().first] = "sent";
      senders.pop_front();
    }
    ended[who] = std::to_string(values.front());
    values.pop_front();
  }
  void cancel(int who) {
    const auto is_who = [&](const auto& one) { return one.first == who; };
    if (std::erase_if(senders, is_who) + std::erase(receivers, who) != 0) ended[who] = "cancelled";
  }
};

TEST(stress_test, a_channel_agrees_with_a_naive_model) {
  std::mt19937_64 random(seed());
  for (int round = 0; round < 300; ++round) {
    const std::size_t capacity = random() % 4;
    channel<int> real(capacity);
    naive_channel model{capacity, {}, {}, {}, {}};
    std::map<int, std::string> ended;
    std::map<int, ramie::task<void>> tasks;
    ramie::run(
        [&](scope& s) {
          for (int who = 0; who < 60; ++who) {
            const auto kind = random() % 5;
            const auto tell = [&ended, who](auto&& body) {
              try {
                ended[who] = body();
              } catch (const ramie::cancelled&) {
                ended[who] = "cancelled";
                throw;
              }
            };
            if (kind < 2) {
              tasks[who] = s.spawn([&, tell, who] {
                tell([&] {
                  real.send(1000 + who);
                  return "sent";
                });
              });
              model.send(who, 1000 + who);
            } else if (kind < 4) {
              tasks[who] = s.spawn([&, tell] { tell([&] { return std::to_string(real.receive().value()); }); });
              model.receive(who);
            } else if (!tasks.empty()) {
              auto victim = tasks.begin();
              std::advance(victim, static_cast<long>(random() % tasks.size()));
              victim->second.cancel();
              model.cancel(victim->first);
            }
            settle();
            ASSERT_EQ(ended, model.ended) << "round " << round << ", step " << who;
            ASSERT_EQ(real.size(), model.values.size());
          }
          s.cancel();
        },
        fake_time);
  }
}

// Senders and receivers on threads with and without a scheduler, by plain waits, tries and selections over two
// channels, with time limits. At the end: what was accepted was received, once, and in the order of each sender on each
// channel as long as one receiver sees it.
TEST(stress_test, between_threads_nothing_is_lost_doubled_or_overtaken) {
  const std::uint64_t start = seed();
  for (int round = 0; round < 6; ++round) {
    constexpr int senders = 6, each = 400;
    std::array<channel<int>, 2> lines{channel<int>(static_cast<std::size_t>(round % 3)), channel<int>(0)};
    std::mutex collecting;
    std::vector<int> accepted, received;
    std::atomic<int> sending = senders;
    std::atomic<bool> overtaken = false;

    const auto send_some = [&](int who, std::mt19937_64 random) {
      std::vector<int> mine;
      for (int i = 0; i < each; ++i) {
        const int value = who * each + i;
        bool went = false;
        switch (random() % 4) {
          case 0:
            lines[random() % 2].send(value);
            went = true;
            break;
          case 1: {
            int copy = value;
            went = lines[random() % 2].try_send(copy);
            break;
          }
          case 2:
            ramie::select(ramie::on_send(lines[0], value, [&] { went = true; }),
                          ramie::on_send(lines[1], value, [&] { went = true; }));
            break;
          default:
            ramie::select(ramie::on_send(lines[0], value, [&] { went = true; }),
                          ramie::on_send(lines[1], value, [&] { went = true; }), ramie::on_timeout(20us, [] {}));
            break;
        }
        if (went) mine.push_back(value);
      }
      std::lock_guard held(collecting);
      accepted.insert(accepted.end(), mine.begin(), mine.end());
      if (--sending == 0) {
        lines[0].close();
        lines[1].close();
      }
    };
    const auto receive_some = [&](std::mt19937_64 random) {
      std::vector<int> mine;
      std::map<int, int> last_of;  // by sender and line
      const auto take = [&](int line, std::optional<int> value) {
        if (!value) return false;
        const int key = *value / each * 2 + line;
        if (last_of.contains(key) && last_of[key] >= *value) overtaken = true;
        last_of[key] = *value;
        mine.push_back(*value);
        return true;
      };
      for (bool open = true; open;) {
        switch (random() % 3) {
          case 0: {
            const int line = static_cast<int>(random() % 2);
            if (!take(line, lines[static_cast<std::size_t>(line)].try_receive())) std::this_thread::yield();
            break;
          }
          case 1:
            ramie::select(ramie::on(lines[0], [&](int n) { take(0, n); }),
                          ramie::on(lines[1], [&](int n) { take(1, n); }), ramie::on_timeout(50us, [] {}));
            break;
          default:
            ramie::select(ramie::on(lines[0], [&](std::optional<int> n) { open = take(0, n); }),
                          ramie::on(lines[1], [&](std::optional<int> n) { open = take(1, n); }));
            break;
        }
      }
      // One of them is closed and empty; the other may have some left.
      for (int line : {0, 1}) {
        while (take(line, lines[static_cast<std::size_t>(line)].receive())) {
        }
      }
      std::lock_guard held(collecting);
      received.insert(received.end(), mine.begin(), mine.end());
    };

    std::vector<std::thread> threads;
    const auto randomness = [&](int who) {
      return std::mt19937_64(start + static_cast<std::uint64_t>(100 * round + who));
    };
    threads.emplace_back([&] { send_some(0, randomness(0)); });
    threads.emplace_back([&] { receive_some(randomness(10)); });
    threads.emplace_back([&] {
      ramie::run([&](scope& s) {
        for (int who : {1, 2, 3}) s.spawn([&, who] { send_some(who, randomness(who)); });
        s.spawn([&] { receive_some(randomness(11)); });
      });
    });
    threads.emplace_back([&] {
      ramie::run([&](scope& s) {
        for (int who : {4, 5}) s.spawn([&, who] { send_some(who, randomness(who)); });
        for (int who : {12, 13}) s.spawn([&, who] { receive_some(randomness(who)); });
      });
    });
    for (auto& one : threads) one.join();
    std::sort(accepted.begin(), accepted.end());
    std::sort(received.begin(), received.end());
    EXPECT_EQ(accepted, received) << "round " << round;
    EXPECT_FALSE(overtaken);
    EXPECT_GT(received.size(), 500u);
  }
}

// Tasks are cancelled from another thread while they wait for whatever there is; afterwards every object is as new.
TEST(stress_test, cancelling_from_another_thread_leaves_nothing_behind) {
  const std::uint64_t start = seed();
  for (int round = 0; round < 20; ++round) {
    ramie::mutex m;
    ramie::semaphore places(2);
    channel<int> line;
    ramie::runtime r;
    std::atomic<int> ready = 0;
    std::thread other([&] {
      std::mt19937_64 random(start + static_cast<std::uint64_t>(round));
      while (ready.load() == 0) std::this_thread::yield();
      for (int i = 0; i < 200; ++i) {
        if (random() % 2 == 0) {
          int value = i;
          (void)line.try_send(value);
        } else {
          (void)line.try_receive();
        }
        if (places.try_acquire()) places.release();
        if (m.try_lock()) m.unlock();
      }
      r.stop();
    });
    EXPECT_THROW(r.run([&](scope& s) {
      for (int who = 0; who < 12; ++who) {
        s.spawn([&, who] {
          for (;;) {
            if (who % 4 == 0) {
              std::lock_guard held(m);
              yield();
            } else if (who % 4 == 1) {
              ramie::permit some(places, static_cast<std::size_t>(1 + who % 2));
              ramie::this_task::sleep_for(1us);
            } else if (who % 4 == 2) {
              ramie::select(ramie::on(line, [](int) {}), ramie::on_timeout(10us, [] {}));
            } else {
              ramie::select(ramie::on_send(line, who, [] {}), ramie::on(line, [](int) {}));
            }
            ramie::this_task::check();
          }
        });
      }
      yield();
      ready = 1;
    }),
                 ramie::task_cancelled);
    other.join();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
    EXPECT_EQ(places.taken(), 0u);
    EXPECT_EQ(places.waiting(), 0u);
    int value = 0;
    EXPECT_FALSE(line.try_send(value));
    EXPECT_EQ(line.try_receive(), std::nullopt);
  }
}

}  // namespace
}  // namespace ramie_test
