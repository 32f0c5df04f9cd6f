// Kernel features taken away one by one, as a container's profile or an older kernel does: the next rung, or an error
// that names the call. Each in a child of its own, since a filter is for ever.
#include <ramie/net.hpp>
#include <ramie/runtime.hpp>

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <system_error>
#include <thread>

namespace {

using namespace std::chrono_literals;
namespace net = ramie::net;

// From now on this system call answers with an error.
bool take_away(unsigned call, unsigned error) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {.len = sizeof code / sizeof *code, .filter = code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

constexpr int refused_filter = 126;

// What the body returns, of a child that lacks this.
int without(unsigned call, unsigned error, const std::function<int()>& body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    unsetenv("RAMIE_IO");
    if (!take_away(call, error)) _exit(refused_filter);
    int result = 99;
    try {
      result = body();
    } catch (const std::exception& what) {
      std::printf("%s\n", what.what());
    }
    std::fflush(nullptr);
    _exit(result);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// 0: all came back, and a sleep beside it ended.
int echoes(ramie::io_kind io) {
  return ramie::run(
      [](ramie::scope& s) {
        net::listener door("127.0.0.1:0");
        s.spawn([&] {
          net::stream peer = door.accept();
          std::array<std::byte, 64> data;
          while (const std::size_t got = peer.read_some(data))
            peer.write_all(std::span<const std::byte>(data).first(got));
        });
        net::stream peer = net::connect(door.local());
        for (int i = 0; i < 20; ++i) {
          std::array<char, 4> back{};
          peer.write_all("ping");
          if (peer.read_exactly(back) != back.size()) return 1;
          ramie::this_task::sleep_for(100us);
        }
        peer.close();
        s.join();
        return 0;
      },
      {.io = io});
}

class features : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    forbidden = without(SYS_userfaultfd, EPERM, [] { return 0; }) != 0;
  }
  void SetUp() override {
    if (!forbidden) return;
    std::puts("skipped: kernel features taken away: seccomp is refused here");
    GTEST_SKIP();
  }

 private:
  static inline bool forbidden = false;
};

TEST_F(features, each_refusal_of_a_ring_means_epoll) {
  for (unsigned error : {EPERM, ENOSYS, ENOMEM, EMFILE}) {
    EXPECT_EQ(without(SYS_io_uring_setup, error, [] { return echoes(ramie::io_kind::automatic); }), 0) << error;
  }
  // Allowed to make one, and then not to use it.
  for (unsigned error : {EPERM, ENOSYS, EAGAIN, EBUSY}) {
    EXPECT_EQ(without(SYS_io_uring_enter, error, [] { return echoes(ramie::io_kind::automatic); }), 0) << error;
  }
  EXPECT_EQ(without(SYS_io_uring_register, EPERM, [] { return echoes(ramie::io_kind::automatic); }), 0);
}

TEST_F(features, a_ring_that_was_asked_for_and_is_refused_is_a_typed_error) {
  for (unsigned call : {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register}) {
    EXPECT_EQ(without(call, EPERM,
                      [] {
                        try {
                          return 10 + echoes(ramie::io_kind::uring);
                        } catch (const std::system_error& refused) {
                          return refused.code() == std::errc::function_not_supported ? 0 : 1;
                        }
                      }),
              0)
        << call;
  }
}

TEST_F(features, without_nanoseconds_epoll_waits_in_milliseconds) {
  for (unsigned error : {ENOSYS, EPERM}) {
    EXPECT_EQ(without(SYS_epoll_pwait2, error, [] { return echoes(ramie::io_kind::epoll); }), 0) << error;
  }
}

TEST_F(features, without_an_eventfd_or_an_epoll_there_is_a_typed_error_with_the_call) {
  const auto expect_refused = [](unsigned call, unsigned error, ramie::io_kind io) {
    EXPECT_EQ(without(call, error,
                      [&] {
                        try {
                          return 10 + echoes(io);
                        } catch (const std::system_error& refused) {
                          return refused.code().value() == static_cast<int>(error) ? 0 : 1;
                        }
                      }),
              0)
        << call << ' ' << error;
  };
  for (ramie::io_kind io : {ramie::io_kind::automatic, ramie::io_kind::epoll}) {
    expect_refused(SYS_eventfd2, EMFILE, io);
    expect_refused(SYS_eventfd2, ENOSYS, io);
  }
  expect_refused(SYS_epoll_create1, EMFILE, ramie::io_kind::epoll);
  expect_refused(SYS_epoll_ctl, ENOMEM, ramie::io_kind::epoll);
}

TEST_F(features, an_accept_that_is_refused_is_told_as_it_is) {
  EXPECT_EQ(without(SYS_accept4, ENOSYS,
                    [] {
                      return ramie::run(
                          [] {
                            net::listener door("127.0.0.1:0");
                            net::stream near = net::connect(door.local());
                            std::error_code error;
                            static_cast<void>(door.accept(error));
                            return error == std::errc::function_not_supported ? 0 : 1;
                          },
                          {.io = ramie::io_kind::epoll});
                    }),
            0);
}

TEST_F(features, a_thread_that_blocks_without_an_eventfd_still_sees_a_close) {
  EXPECT_EQ(without(SYS_eventfd2, EMFILE,
                    [] {
                      auto ends = net::socket_pair();
                      std::thread closer([&] {
                        std::this_thread::sleep_for(5ms);
                        ends.first.close();
                      });
                      std::error_code error;
                      std::array<std::byte, 4> into;
                      ends.first.read_some(into, error);
                      closer.join();
                      return error == std::errc::operation_canceled ? 0 : 1;
                    }),
            0);
}

}  // namespace
