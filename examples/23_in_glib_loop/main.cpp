// Tasks inside of GLib's main loop, as in a GTK program: an echo server and its client beside a timer of GLib's own.
//
// One thread, one descriptor, one timer. Ends by itself.
#include <ramie/net.hpp>
#include <ramie/runtime.hpp>

#include <glib-unix.h>
#include <glib.h>

#include <array>
#include <chrono>
#include <cstdio>

namespace {

// All that a loop needs to host a runtime.
class hosted {
 public:
  explicit hosted(ramie::runtime& app) : app_(app), watch_(g_unix_fd_add(app.descriptor(), G_IO_IN, &readable, this)) {}
  ~hosted() {
    g_source_remove(watch_);
    if (timer_ != 0) g_source_remove(timer_);
  }
  hosted(const hosted&) = delete;
  hosted& operator=(const hosted&) = delete;

 private:
  static gboolean readable(gint, GIOCondition, gpointer self) {
    static_cast<hosted*>(self)->turn();
    return G_SOURCE_CONTINUE;
  }
  static gboolean due(gpointer self) {
    auto& here = *static_cast<hosted*>(self);
    here.timer_ = 0;  // it is removed by what is returned
    here.turn();
    return G_SOURCE_REMOVE;
  }
  void turn() {
    const auto next = app_.run_ready();
    if (timer_ != 0) g_source_remove(timer_);
    timer_ = 0;
    if (!next) return;
    timer_ = g_timeout_add(static_cast<guint>(std::chrono::ceil<std::chrono::milliseconds>(*next).count()), &due, this);
  }

  ramie::runtime& app_;
  const guint watch_;
  guint timer_ = 0;
};

void echo(ramie::net::stream peer) {
  std::array<std::byte, 512> data;
  while (const std::size_t got = peer.read_some(data)) peer.write_all(std::span<const std::byte>(data).first(got));
}

}  // namespace

int main() {
  using namespace std::chrono_literals;
  GMainLoop* const loop = g_main_loop_new(nullptr, FALSE);
  int beats = 0;
  const guint beat = g_timeout_add(
      5,
      [](gpointer count) -> gboolean {
        ++*static_cast<int*>(count);
        return G_SOURCE_CONTINUE;
      },
      &beats);
  int answers = 0;
  {
    ramie::runtime app;
    const hosted here(app);
    app.post([&] {
      ramie::with_scope([&](ramie::scope& s) {
        ramie::net::listener door("127.0.0.1:0");
        s.spawn([&] { echo(door.accept()); }, {.name = "server"});
        ramie::net::stream peer = ramie::net::connect(door.local());
        for (int i = 0; i < 10; ++i) {
          std::array<char, 4> back{};
          peer.write_all("ping");
          if (peer.read_exactly(back) == back.size()) ++answers;
          ramie::this_task::sleep_for(5ms);
        }
        peer.close();
        s.join();
      });
      g_main_loop_quit(loop);
    });
    g_main_loop_run(loop);
  }
  g_source_remove(beat);
  g_main_loop_unref(loop);
  std::printf("%d answers, and GLib's own timer went on: %s\n", answers, beats > 0 ? "yes" : "no");
  return answers == 10 && beats > 0 ? 0 : 1;
}
