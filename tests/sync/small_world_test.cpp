// Two senders, two receivers, a close and a cancel on one channel, for capacities 0 to 2: every order of the six, with
// and without letting the others run after each, one of each kind waiting by a selection; and with all or none
// selecting, every order and every seventh choice of whom to let run. What must hold is checked against what everybody
// was told.
#include "task/task_world.hpp"

#include <ramie/select.hpp>

#include <algorithm>
#include <array>

namespace ramie_test {
namespace {

using ramie::scope;

enum actor : int { sender_1, sender_2, receiver_1, receiver_2, closer, canceller };
constexpr std::array all_actors = {sender_1, sender_2, receiver_1, receiver_2, closer, canceller};

enum class told { nothing, done, closed, cancelled };

struct world {
  std::size_t capacity;
  int selecting;  // a bit for each of the four: it waits by select(), on a second channel that stays quiet too
  int victim;     // who is cancelled
  int letting;    // a bit for each step: the others run after it
};

struct outcome {
  std::array<told, 4> heard{};
  std::vector<int> received;
};

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool is_slow = true;
#else
constexpr bool is_slow = false;
#endif

bool selects(const world& w, int who) { return (w.selecting >> who & 1) != 0; }

void act(ramie::channel<int>& c, ramie::channel<int>& quiet, const world& w, int who, outcome& out) {
  told& heard = out.heard[static_cast<std::size_t>(who)];
  try {
    if (who == sender_1 || who == sender_2) {
      if (selects(w, who)) {
        ramie::select(ramie::on(quiet, [](int) {}), ramie::on_send(c, who + 1, [] {}));
      } else {
        c.send(who + 1);
      }
      heard = told::done;
    } else {
      std::optional<int> value;
      if (selects(w, who)) {
        ramie::select(ramie::on(quiet, [](int) {}), ramie::on(c, [&](std::optional<int> n) { value = n; }));
      } else {
        value = c.receive();
      }
      heard = value ? told::done : told::closed;
      if (value) out.received.push_back(*value);
    }
  } catch (const ramie::channel_closed&) {
    heard = told::closed;
  } catch (const ramie::cancelled&) {
    heard = told::cancelled;
    throw;
  }
}

outcome play(const world& w, const std::array<actor, 6>& order) {
  outcome out;
  ramie::channel<int> c(w.capacity), quiet;
  std::array<ramie::task<void>, 4> tasks;
  ramie::run(
      [&](scope& s) {
        for (std::size_t step = 0; step < order.size(); ++step) {
          const int who = order[step];
          if (who == closer) {
            c.close();
          } else if (who == canceller) {
            auto& victim = tasks[static_cast<std::size_t>(w.victim)];
            if (victim) victim.cancel();
          } else {
            tasks[static_cast<std::size_t>(who)] = s.spawn([&, who] { act(c, quiet, w, who, out); });
          }
          if ((w.letting >> step & 1) != 0) settle();
        }
        s.join();  // all have ended, since it is closed: or this is a deadlock
        while (auto left = c.try_receive()) out.received.push_back(*left);
        int none = 0;
        EXPECT_FALSE(quiet.try_send(none));
      },
      fake_time);
  return out;
}

::testing::AssertionResult is_sound(const world& w, const std::array<actor, 6>& order, const outcome& out) {
  std::vector<int> accepted;
  for (int who : {sender_1, sender_2}) {
    if (out.heard[static_cast<std::size_t>(who)] == told::done) accepted.push_back(who + 1);
  }
  std::vector<int> received = out.received;
  std::sort(received.begin(), received.end());
  const auto before = [&](int one, int other) {
    return std::find(order.begin(), order.end(), one) < std::find(order.begin(), order.end(), other);
  };
  std::string fault;
  if (received != accepted) fault = "what was accepted is not what was received";
  for (int who = 0; who < 4; ++who) {
    const told heard = out.heard[static_cast<std::size_t>(who)];
    if (heard == told::cancelled && (who != w.victim || before(canceller, who))) fault = "the wrong one was cancelled";
    if (heard == told::nothing && who != w.victim) fault = "one never heard";
    if (heard == told::done && (who == sender_1 || who == sender_2) && w.letting == 63 && before(closer, who)) {
      fault = "sent after the close";
    }
  }
  // Who came first is served first, where nobody was cancelled.
  const bool alone = before(canceller, w.victim);
  if (alone && w.letting == 63 && out.received.size() == 2 && w.selecting == 0) {
    const bool first_is_1 = before(sender_1, sender_2);
    if ((out.received[0] == sender_1 + 1) != first_is_1) fault = "the order was lost";
  }
  if (fault.empty()) return ::testing::AssertionSuccess();
  auto failure = ::testing::AssertionFailure() << fault << ": capacity " << w.capacity << ", selecting " << w.selecting
                                               << ", victim " << w.victim << ", letting " << w.letting << ", order";
  for (int who : order) failure << ' ' << who;
  return failure;
}

TEST(small_world_test, every_order_of_two_senders_two_receivers_close_and_cancel_is_sound) {
  std::size_t played = 0;
  for (std::size_t capacity = 0; capacity <= 2; ++capacity) {
    for (int selecting : {0, 5, 15}) {
      for (int victim = 0; victim < 4; ++victim) {
        std::array<actor, 6> order = all_actors;
        do {
          const int step = (selecting == 5 ? 1 : 7) * (is_slow ? 9 : 1);
          for (int letting = 0; letting < 64; letting += step) {
            const world w = {capacity, selecting, victim, letting};
            ASSERT_TRUE(is_sound(w, order, play(w, order)));
            ++played;
          }
        } while (std::next_permutation(order.begin(), order.end()));
      }
    }
  }
  std::printf("%zu worlds\n", played);
}

}  // namespace
}  // namespace ramie_test
