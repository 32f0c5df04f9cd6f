// Reports and the program that names their frames. A child process for each case that looks for the program, since a
// process looks once.
#include "backtrace/report.hpp"

#include "backtrace/collect.hpp"
#include "backtrace/describe.hpp"
#include "backtrace/symbolizer.hpp"

#include <fcntl.h>
#include <gnu/libc-version.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace ramie::backtrace {
namespace {

stack_bounds my_stack() { return stack_around(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0))); }

[[gnu::noinline]] trace known_caller() {
  trace found = collect_here(my_stack());
  asm volatile("");  // so that the call is not its last act
  return found;
}

// Both ends of a socket that keeps what one write wrote apart from the next.
class message_pipe {
 public:
  message_pipe() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_.data()), 0); }
  message_pipe(const message_pipe&) = delete;
  message_pipe& operator=(const message_pipe&) = delete;
  ~message_pipe() {
    close(ends_[0]);
    close(ends_[1]);
  }
  int writer() const { return ends_[1]; }
  // One write's text; "" when there is none.
  std::string receive() {
    std::array<char, 1 << 16> memory;
    const ssize_t got = recv(ends_[0], memory.data(), memory.size(), MSG_DONTWAIT);
    return got <= 0 ? "" : std::string(memory.data(), static_cast<std::size_t>(got));
  }

 private:
  std::array<int, 2> ends_ = {};
};

TEST(report, is_one_write) {
  message_pipe pipe;
  {
    report report;
    ASSERT_TRUE(report.usable());
    report.text().add("first line\n");
    report.add_frames(known_caller(), names::none);
    report.text().add("last line\n");
    EXPECT_EQ(report.send(pipe.writer()), 0);
  }
  const std::string text = pipe.receive();
  EXPECT_TRUE(text.starts_with("first line\n    0  backtrace.report_test+0x")) << text;
  EXPECT_TRUE(text.ends_with("last line\n")) << text;
  EXPECT_NE(text.find("libc.so"), std::string::npos) << text;
  EXPECT_EQ(pipe.receive(), "");
}

TEST(report, shows_exported_names_where_that_is_safe) {
  message_pipe pipe;
  {
    report report;
    report.add_frames(known_caller(), names::in_process);
    report.send(pipe.writer());
  }
  const std::string text = pipe.receive();
  EXPECT_NE(text.find("__libc_start_main  (libc.so.6+0x"), std::string::npos) << text;
}

TEST(report, cuts_off_what_does_not_fit_and_says_so) {
  message_pipe pipe;
  {
    report report;
    for (int line = 0; line < 5000; ++line) report.text().add("a line of text\n");
    report.send(pipe.writer());
  }
  const std::string text = pipe.receive();
  EXPECT_TRUE(text.ends_with("(the report is longer; the rest is cut off)\n"));
  EXPECT_LE(text.size(), 16U << 10);
}

TEST(report, inside_a_report_of_the_same_thread_is_not_usable) {
  const report first;
  report second;
  EXPECT_TRUE(first.usable());
  EXPECT_FALSE(second.usable());
  second.text().add("nothing");
  second.add_frames(known_caller(), names::none);
  EXPECT_EQ(second.send(2), ECANCELED);
}

TEST(report, of_two_threads_are_never_mixed) {
  message_pipe pipe;
  std::vector<std::thread> threads;
  for (char letter : {'a', 'b', 'c', 'd'}) {
    threads.emplace_back([letter, &pipe] {
      for (int round = 0; round < 20; ++round) {
        report report;
        for (int at = 0; at < 100; ++at) report.text().add(letter);
        EXPECT_EQ(report.send(pipe.writer()), 0);
      }
    });
  }
  std::atomic<bool> done = false;
  int messages = 0;
  std::thread reader([&] {
    while (messages < 80) {
      const bool last = done;
      const std::string text = pipe.receive();
      if (text.empty() && last) break;
      if (text.empty()) continue;
      EXPECT_EQ(text, std::string(100, text.front()));
      ++messages;
    }
  });
  for (std::thread& thread : threads) thread.join();
  done = true;
  reader.join();
  EXPECT_EQ(messages, 80);
}

// Runs `body` in a child process with this symbolizer chosen and returns the report that it sends.
std::string report_with(const std::string& symbolizer, const std::function<void(report&)>& body) {
  message_pipe pipe;
  const pid_t child = fork();
  if (child == 0) {
    setenv("RAMIE_SYMBOLIZER", symbolizer.c_str(), 1);
    report report;
    body(report);
    _exit(report.send(pipe.writer()));
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return pipe.receive();
}

// A shell script in a folder of its own, which goes with it.
class script {
 public:
  explicit script(const std::string& text) {
    std::array<char, 64> folder = {"/tmp/ramie-report-test-XXXXXX"};
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder.data();
    std::ofstream(path()) << "#!/bin/sh\n" << text;
    chmod(path().c_str(), 0700);
  }
  script(const script&) = delete;
  script& operator=(const script&) = delete;
  ~script() {
    for (const char* name : {"/symbolizer", "/note"}) unlink((folder_ + name).c_str());
    rmdir(folder_.c_str());
  }
  std::string path() const { return folder_ + "/symbolizer"; }
  std::string note() const {
    std::ifstream file(folder_ + "/note");
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string folder_;
};

void add_known_frames(report& report) { report.add_frames(known_caller(), names::by_program); }

void expect_plain_frames(const std::string& text) {
  EXPECT_TRUE(text.starts_with("    0  backtrace.report_test+0x")) << text;
}

TEST(symbolizer, that_is_switched_off_leaves_offsets) { expect_plain_frames(report_with("", add_known_frames)); }

TEST(symbolizer, that_does_not_exist_leaves_offsets) {
  expect_plain_frames(report_with("/nonexistent/ramie", add_known_frames));
}

TEST(symbolizer, that_hangs_leaves_offsets_and_is_killed) {
  const script hanging("echo $$ > $(dirname $0)/note; while true; do sleep 1; done\n");
  expect_plain_frames(report_with(hanging.path(), add_known_frames));
  const pid_t process = std::atoi(hanging.note().c_str());
  ASSERT_GT(process, 0);
  EXPECT_EQ(kill(process, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(symbolizer, that_hangs_after_some_answers_is_used_as_far_as_it_came) {
  const script slow("echo 'first() a.cpp:1'; echo 'second() b.c'; printf 'half a li'; sleep 1000\n");
  const std::string text = report_with(slow.path(), add_known_frames);
  EXPECT_TRUE(text.starts_with("    0  first() a.cpp:1  (backtrace.report_test+0x")) << text;
  EXPECT_NE(text.find("    1  second() b.c  (backtrace.report_test+0x"), std::string::npos) << text;
  EXPECT_EQ(text.find("half"), std::string::npos) << text;
}

TEST(symbolizer, that_dies_at_once_leaves_offsets) {
  const script dying("kill -9 $$\n");
  expect_plain_frames(report_with(dying.path(), add_known_frames));
}

TEST(symbolizer, that_talks_nonsense_does_no_harm) {
  const script loud("cat /dev/urandom | head -c 1000000\n");
  EXPECT_FALSE(report_with(loud.path(), add_known_frames).empty());
}

TEST(symbolizer, gets_modules_and_offsets) {
  const script noting("cat > $(dirname $0)/note; echo $1\n");
  const std::string text = report_with(noting.path(), add_known_frames);
  EXPECT_TRUE(text.starts_with("    0  symbolize  (backtrace.report_test+0x")) << text;
  const std::string asked = noting.note();
  const std::string first = asked.substr(0, asked.find('\n'));
  EXPECT_TRUE(first.starts_with("/") && first.find("/backtrace.report_test 0x") != std::string::npos) << asked;
  EXPECT_GT(std::count(asked.begin(), asked.end(), '\n'), 3);
}

#ifdef RAMIE_COMMAND
TEST(symbolizer, of_ramie_answers_every_line_and_tells_of_wrong_ones) {
  const script asking("printf 'nonsense\\n/no/such file 0x10\\n/no/file 0xzz\\n' | " RAMIE_COMMAND
                      " symbolize > $(dirname $0)/note 2>/dev/null\n");
  EXPECT_EQ(WEXITSTATUS(std::system(asking.path().c_str())), 2);
  EXPECT_EQ(asking.note(), "?? ??:0\n?? ??:0\n?? ??:0\n");
}

TEST(symbolizer, of_ramie_names_functions_and_lines) {
  const std::string text = report_with(RAMIE_COMMAND, add_known_frames);
  if (text.find("known_caller") == std::string::npos &&
      std::system(RAMIE_COMMAND " symbolize </dev/null 2>&1 | grep -q libdw") == 0) {
    std::puts("skipped: names by ramie symbolize: built without libdw");
    GTEST_SKIP();
  }
  EXPECT_NE(text.find("ramie::backtrace::(anonymous namespace)::known_caller() report_test.cpp:"), std::string::npos)
      << text;
  EXPECT_NE(text.find("add_known_frames(ramie::backtrace::report&) report_test.cpp:"), std::string::npos) << text;
}
#endif

// What the program's malloc and friends do below: raise a signal in the middle of the work, and refuse to be called by
// the handler. A handler that allocates would wait for a lock that its own thread holds.
}  // namespace

std::atomic<bool> planted = false;
thread_local bool reporting = false;
std::atomic<int> allocations_in_handler = 0;

namespace {

int report_descriptor = -1;

void report_from_handler(int, siginfo_t*, void* context) {
  reporting = true;
  {
    report report;
    report.text().add("interrupted\n");
    report.add_frames(collect_interrupted(*static_cast<ucontext_t*>(context), my_stack()), names::by_program);
    report.send(report_descriptor);
  }
  reporting = false;
}

TEST(report, from_a_signal_that_interrupts_malloc_allocates_nothing) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  std::puts("skipped: a signal inside malloc: the sanitizer has a malloc of its own");
  GTEST_SKIP();
#endif
  message_pipe pipe;
  report_descriptor = pipe.writer();
  const script answering("sed 's/.*/named() file.cpp:1/'\n");
  const pid_t child = fork();
  if (child == 0) {
    setenv("RAMIE_SYMBOLIZER", answering.path().c_str(), 1);
    struct sigaction action = {};
    action.sa_sigaction = report_from_handler;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGUSR1, &action, nullptr);
    planted = true;
    void* volatile memory = std::malloc(100);
    std::free(memory);
    _exit(allocations_in_handler);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "allocations in the handler: " << WEXITSTATUS(status);
  const std::string text = pipe.receive();
  EXPECT_TRUE(text.starts_with("interrupted\n    0  named() file.cpp:1  (")) << text;
}

TEST(locate, says_where_code_comes_from) {
  std::array<char, 4096> memory;
  const trace here = known_caller();
  const location mine = locate(here.newest(0), memory);
  EXPECT_EQ(mine.name(), "backtrace.report_test");
  EXPECT_GT(mine.offset, 0U);
  const location libc =
      locate({.pc = reinterpret_cast<std::uintptr_t>(&gnu_get_libc_version), .function = 0, .exact = true}, memory);
  EXPECT_EQ(libc.name(), "libc.so.6");
  const location nowhere = locate({.pc = 0x1000, .function = 0, .exact = false}, memory);
  EXPECT_EQ(nowhere.module, "");
  EXPECT_EQ(nowhere.offset, 0xfffU);
}

}  // namespace
}  // namespace ramie::backtrace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" {
void* __libc_malloc(std::size_t bytes);  // NOLINT: glibc's own name
void* malloc(std::size_t bytes) {
  namespace here = ramie::backtrace;
  if (here::reporting) ++here::allocations_in_handler;
  if (here::planted.exchange(false)) raise(SIGUSR1);
  return __libc_malloc(bytes);
}
}
#endif
