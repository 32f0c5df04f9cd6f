// Which poller a thread gets, and what is said where one is forbidden. Runs itself again under another environment.
#include <ramie/net.hpp>
#include <ramie/runtime.hpp>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace {

struct ended {
  int status = -1;
  std::string said;
};

// One case of this program, in another world; what it prints.
ended again(const std::string& before, const std::string& test_case) {
  const std::string command = before + " /proc/" + std::to_string(getpid()) +
                              "/exe --gtest_also_run_disabled_tests --gtest_filter=" + test_case + " 2>&1";
  FILE* out = popen(command.c_str(), "r");
  ended result;
  std::array<char, 256> line;
  while (std::fgets(line.data(), line.size(), out) != nullptr) result.said += line.data();
  result.status = pclose(out);
  return result;
}

// Where no poller can be had the body fails first: what its child reads from outlives it.
void use_a_pipe(ramie::runtime_options options = {}) {
  auto reader_and_writer = ramie::net::pipe_pair();
  auto &reader = reader_and_writer.first, &writer = reader_and_writer.second;
  ramie::run(
      [&](ramie::scope& s) {
        auto reads = s.spawn([&reader] {
          char got = 0;
          return reader.read_some(std::span(&got, 1));
        });
        ramie::this_task::yield();
        writer.write_all("x");
        EXPECT_EQ(reads.get(), 1U);
      },
      options);
}

TEST(world, DISABLED_uses_a_pipe) { use_a_pipe(); }
TEST(world, DISABLED_asks_for_io_uring) {
  try {
    use_a_pipe({.io = ramie::io_kind::uring});
    std::puts("it works");
  } catch (const std::system_error& error) {
    std::printf("refused: %s\n", error.what());
    EXPECT_EQ(error.code(), std::errc::function_not_supported);
  }
}
TEST(world, DISABLED_does_no_io) {
  ramie::run([] { ramie::this_task::sleep_for(std::chrono::milliseconds(1)); });
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the iterator's own
    const std::string what = std::filesystem::read_symlink(each.path(), gone).string();
    EXPECT_TRUE(what.find("eventpoll") == std::string::npos && what.find("io_uring") == std::string::npos &&
                what.find("eventfd") == std::string::npos)
        << what;
  }
}

const std::string seccomp = RAMIE_SECCOMP_RUN;

TEST(choice, where_io_uring_is_forbidden_epoll_is_taken_aloud) {
  const ended run = again("env -u RAMIE_IO RAMIE_LOG=info " + seccomp, "world.DISABLED_uses_a_pipe");
  EXPECT_EQ(run.status, 0) << run.said;
  EXPECT_NE(run.said.find("wait in epoll; io_uring does not work here: io_uring_setup: Operation not permitted"),
            std::string::npos)
      << run.said;
}

TEST(choice, silence_is_kept_without_the_wish_to_hear) {
  const ended run = again("env -u RAMIE_IO -u RAMIE_LOG " + seccomp, "world.DISABLED_uses_a_pipe");
  EXPECT_EQ(run.status, 0) << run.said;
  EXPECT_EQ(run.said.find("ramie:"), std::string::npos) << run.said;
}

TEST(choice, one_that_was_asked_for_and_is_forbidden_is_an_error_with_reason_and_cure) {
  for (const std::string& before : {"env -u RAMIE_IO " + seccomp, "env RAMIE_IO=epoll " + seccomp}) {
    const ended run = again(before, "world.DISABLED_asks_for_io_uring");
    EXPECT_EQ(run.status, 0) << run.said;
    EXPECT_NE(run.said.find("refused: runtime_options::io asks for io_uring, which does not work here: io_uring_setup: "
                            "Operation not permitted"),
              std::string::npos)
        << run.said;
    EXPECT_NE(run.said.find("Allow it, or ask for nothing and get epoll"), std::string::npos) << run.said;
  }
  const ended run = again("env RAMIE_IO=uring " + seccomp, "world.DISABLED_uses_a_pipe");
  EXPECT_NE(run.status, 0);
  EXPECT_NE(run.said.find("RAMIE_IO=uring asks for io_uring"), std::string::npos) << run.said;
}

TEST(choice, a_word_that_is_none_names_those_that_are) {
  const ended run = again("env RAMIE_IO=kqueue", "world.DISABLED_uses_a_pipe");
  EXPECT_NE(run.status, 0);
  EXPECT_NE(run.said.find("RAMIE_IO=kqueue: there is uring and epoll"), std::string::npos) << run.said;
}

TEST(choice, both_can_be_asked_for) {
  const ended epoll = again("env RAMIE_IO=epoll RAMIE_LOG=info", "world.DISABLED_uses_a_pipe");
  EXPECT_EQ(epoll.status, 0) << epoll.said;
  EXPECT_NE(epoll.said.find("wait in epoll\n"), std::string::npos) << epoll.said;
  const ended uring = again("env -u RAMIE_IO RAMIE_LOG=info", "world.DISABLED_asks_for_io_uring");
  if (const std::size_t refused = uring.said.find("refused: "); refused != std::string::npos) {
    std::printf("skipped: io_uring: %s", uring.said.substr(refused).c_str());
    GTEST_SKIP();
  }
  EXPECT_NE(uring.said.find("wait in io_uring\n"), std::string::npos) << uring.said;
}

TEST(choice, a_program_without_io_has_no_descriptor_of_ours) {
  const ended run = again("env RAMIE_LOG=info", "world.DISABLED_does_no_io");
  EXPECT_EQ(run.status, 0) << run.said;
  EXPECT_EQ(run.said.find("wait in"), std::string::npos) << run.said;
}

}  // namespace
