// System calls that are refused now and then: EINTR, EAGAIN, EBUSY once at each place, and often at random ones.
//
// A filter of the working thread's own asks this program about each of these calls (seccomp's user notification); a
// thread beside it says what they answer.
#include <ramie/net.hpp>
#include <ramie/runtime.hpp>

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace net = ramie::net;

// What each of the calls asked about answers: 0, it is carried out.
using judge = std::function<int()>;

class refusing {
 public:
  // Calls `body` on a thread of its own; false: seccomp is not to be had here.
  bool run(const std::vector<unsigned>& calls, const std::function<void()>& body) {
    std::atomic<int> listener = 0;
    std::thread worker([&] {
      const int number = ask_about(calls);
      listener.store(number < 0 ? -1 : number);
      listener.notify_one();
      if (number >= 0) body();
    });
    listener.wait(0);
    if (listener.load() > 0) answer(listener.load());
    worker.join();
    if (listener.load() > 0) ::close(listener.load());
    return listener.load() > 0;
  }
  // By the body: what is answered from now on. Any thread.
  void begin(judge what) {
    const std::lock_guard held(lock_);
    judge_ = std::move(what);
    refused_.store(0);
    active_.store(true);
  }
  int end() {
    active_.store(false);
    return refused_.load();
  }

 private:
  static int ask_about(const std::vector<unsigned>& calls) {
    std::vector<sock_filter> code = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const auto to_end = static_cast<unsigned char>(calls.size() - i);
      code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], to_end, 0));
    }
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
    const sock_fprog filter = {.len = static_cast<unsigned short>(code.size()), .filter = code.data()};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    return static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter));
  }
  // Until the last thread with the filter has ended.
  void answer(int listener) {
    for (;;) {
      pollfd one = {listener, POLLIN, 0};
      if (::poll(&one, 1, -1) < 0) continue;
      if ((one.revents & POLLIN) == 0) return;
      seccomp_notif asked;
      std::memset(&asked, 0, sizeof asked);
      if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) continue;
      const int error = judgement();
      if (error != 0) refused_.fetch_add(1);
      seccomp_notif_resp told{};
      told.id = asked.id;
      told.error = -error;
      if (error == 0) told.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
      ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &told);
    }
  }

  int judgement() {
    const std::lock_guard held(lock_);
    return active_.load() ? judge_() : 0;
  }

  std::mutex lock_;
  judge judge_;
  std::atomic<bool> active_ = false;
  std::atomic<int> refused_ = 0;
};

std::string read_text(net::stream& from) {
  std::array<char, 64> into;
  return {into.data(), from.read_some(std::span(into))};
}

// 0: nothing was lost, nothing came twice.
int echoes_and_calls_off(ramie::scope& s) {
  net::listener door("127.0.0.1:0");
  auto serves = s.spawn([&] {
    net::stream peer = door.accept();
    for (std::string text; !(text = read_text(peer)).empty();) peer.write_all(text);
  });
  net::stream peer = net::connect(door.local());
  for (int i = 0; i < 10; ++i) {
    const std::string line = "line " + std::to_string(i);
    peer.write_all(line);
    if (read_text(peer) != line) return 1;
  }
  if (ramie::try_for(200us, [&] { read_text(peer); })) return 2;
  peer.write_all("after it was called off");
  if (read_text(peer) != "after it was called off") return 3;
  peer.shutdown_send();
  if (!read_text(peer).empty()) return 4;
  serves.join();
  return 0;
}

int waits_of_many(ramie::scope& s, std::size_t count) {
  std::vector<std::pair<net::stream, net::stream>> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(net::socket_pair());
  std::size_t ended = 0;
  const auto reads_all = [&](ramie::scope& inner) {
    for (auto& each : all) inner.spawn([&] { ended += read_text(each.first) == "x" ? 1 : 0; });
  };
  if (ramie::try_for(1ms, [&] { ramie::with_scope(reads_all); })) return 5;
  if (ended != 0) return 6;
  ramie::with_scope([&](ramie::scope& inner) {
    reads_all(inner);
    ramie::this_task::sleep_for(1ms);
    // Without a look between.
    for (auto& each : all) {
      if (::write(each.second.number(), "x", 1) != 1) std::abort();
    }
  });
  static_cast<void>(s);
  return ended == count ? 0 : 7;
}

class refusals : public testing::Test {
 protected:
  static std::uint64_t seed() {
    const char* given = std::getenv("RAMIE_TEST_SEED");
    const std::uint64_t value = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
    std::printf("RAMIE_TEST_SEED=%llu\n", static_cast<unsigned long long>(value));
    return value;
  }

  // On a poller that works: it is tried when it is made, and only afterwards is anything refused.
  int under(const judge& what, ramie::io_kind io, const std::function<int(ramie::scope&)>& body) {
    return ramie::run(
        [&](ramie::scope& s) {
          auto ends = net::pipe_pair();
          ends.second.write_all("x");
          read_text(ends.first);
          world.begin(what);
          const int result = body(s);
          refused = world.end();
          return result;
        },
        {.io = io});
  }
  void in_a_world_that_refuses(const std::vector<unsigned>& calls, const std::function<void()>& body) {
    if (world.run(calls, [&] {
          try {
            body();
          } catch (const std::exception& error) {
            ADD_FAILURE() << error.what();
          }
        }))
      return;
    std::printf("skipped: refusals: seccomp's user notification: %s\n", std::strerror(errno));
    GTEST_SKIP();
  }
  static bool has_ring() {
    try {
      ramie::run([] { read_nothing(); }, {.io = ramie::io_kind::uring});
      return true;
    } catch (const std::system_error& error) {
      std::printf("skipped: io_uring: %s\n", error.what());
      return false;
    }
  }
  static void read_nothing() {
    auto ends = net::pipe_pair();
    ends.second.close();
    read_text(ends.first);
  }

  refusing world;
  int refused = 0;
};

// The first call fails, then only the second, and so on until there are no more.
judge only_the(int which, int error) {
  return [which, error, seen = 0]() mutable { return seen++ == which ? error : 0; };
}

judge one_of(int in, std::vector<int> errors, std::uint64_t seed) {
  return [in, errors = std::move(errors), random = std::mt19937_64(seed)]() mutable {
    return random() % static_cast<unsigned>(in) == 0 ? errors[random() % errors.size()] : 0;
  };
}

TEST_F(refusals, each_entry_into_the_ring_may_be_refused_once) {
  if (!has_ring()) GTEST_SKIP();
  in_a_world_that_refuses({SYS_io_uring_enter}, [&] {
    int places = 0;
    for (const int error : {EBUSY, EAGAIN, EINTR, ENOMEM}) {
      for (int which = 0;; ++which, ++places) {
        const int result = under(only_the(which, error), ramie::io_kind::uring, [](ramie::scope& s) {
          const int failed = echoes_and_calls_off(s);
          return failed != 0 ? failed : waits_of_many(s, 300);  // more than a batch
        });
        EXPECT_EQ(result, 0) << std::strerror(error) << " at entry " << which;
        if (refused == 0 || which == 200) break;
      }
    }
    std::printf("%d places\n", places);
    EXPECT_GT(places, 40);
  });
}

TEST_F(refusals, a_ring_that_overflows_and_refuses_every_third_entry_loses_nothing) {
  if (!has_ring()) GTEST_SKIP();
  const std::uint64_t from = seed();
  in_a_world_that_refuses({SYS_io_uring_enter}, [&] {
    for (std::uint64_t round = 0; round < 3; ++round) {
      const int result =
          under(one_of(3, {EBUSY, EAGAIN, EINTR}, from + round), ramie::io_kind::uring, [](ramie::scope& s) {
            const int failed = echoes_and_calls_off(s);
            return failed != 0 ? failed : waits_of_many(s, 3000);  // 2,048 answers have room
          });
      EXPECT_EQ(result, 0);
      EXPECT_GT(refused, 0);
      std::printf("%d entries were refused\n", refused);
    }
  });
}

TEST_F(refusals, each_call_that_epoll_makes_may_be_interrupted) {
  const std::uint64_t from = seed();
  const std::vector<unsigned> calls = {SYS_epoll_pwait2, SYS_epoll_pwait, SYS_recvfrom, SYS_sendto,
                                       SYS_accept4,      SYS_connect,     SYS_readv,    SYS_writev};
  in_a_world_that_refuses(calls, [&] {
    int places = 0;
    for (;; ++places) {
      EXPECT_EQ(under(only_the(places, EINTR), ramie::io_kind::epoll, echoes_and_calls_off), 0) << "at call " << places;
      if (refused == 0 || places == 200) break;
    }
    std::printf("%d places\n", places);
    EXPECT_GT(places, 40);
    for (std::uint64_t round = 0; round < 3; ++round) {
      EXPECT_EQ(under(one_of(3, {EINTR}, from + round), ramie::io_kind::epoll,
                      [](ramie::scope& s) {
                        const int failed = echoes_and_calls_off(s);
                        return failed != 0 ? failed : waits_of_many(s, 300);
                      }),
                0);
      EXPECT_GT(refused, 0);
    }
  });
}

}  // namespace
