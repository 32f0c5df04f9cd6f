// A library that blocks, called from a task: others go on, a time limit ends the call, and a failure comes back.
//
// The library here reads answers from a socket and knows nothing of fibers; shutdown() is what makes its read return.
#include <ramie/offload.hpp>
#include <ramie/runtime.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <system_error>

using namespace std::chrono_literals;

namespace {

// The native library: waits until the other side has said something.
std::string native_read(int socket) {
  std::array<char, 64> text{};
  const ssize_t count = read(socket, text.data(), text.size());
  if (count < 0) throw std::system_error(errno, std::generic_category(), "native_read");
  return {text.data(), static_cast<std::size_t>(count)};
}

// The same for tasks. The unblock is called again every 10 ms until native_read() has returned: one that comes just
// before the read begins would be lost.
std::string read_answer(int socket) {
  return ramie::offload([socket](const std::stop_token& stop) {
    const ramie::unblock_callback hang_up(stop, [socket] { shutdown(socket, SHUT_RDWR); });
    return native_read(socket);
  });
}

}  // namespace

int main() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) return 1;
  int ticks = 0;
  bool ended = false;
  ramie::run([&](ramie::scope& s) {
    s.spawn(
        [&] {
          for (;; ++ticks) ramie::this_task::sleep_for(1ms);
        },
        {.name = "ticks", .transient = true});

    s.spawn([&] {
      ramie::this_task::sleep_for(20ms);
      (void)!write(ends[1], "hello", 5);
    });
    std::printf("answer: %s\n", read_answer(ends[0]).c_str());

    // Nobody answers this time.
    const auto answer = ramie::try_for(50ms, [&] {
      std::string text = read_answer(ends[0]);
      ramie::this_task::check();  // the call returned, with nothing, because it was hung up
      return text;
    });
    ended = !answer;
    std::printf("%s\n", ended ? "no answer in 50 ms: hung up" : "an answer?");

    try {
      ramie::offload([] { native_read(-1); });
    } catch (const std::system_error& error) {
      std::printf("a failure comes back: %s\n", error.what());
    }
  });
  const auto calls = ramie::default_offload_pool().statistics();
  std::printf("meanwhile %d ticks; %llu calls on %zu threads\n", ticks, static_cast<unsigned long long>(calls.done),
              calls.threads);
  close(ends[0]);
  close(ends[1]);
  return ended && ticks > 0 ? 0 : 1;
}
