// The rules of who may go where, against a model written from them alone: all short programs, and long random ones.
//
// A program is a list of operations. Whoever runs takes the next one, so the same list says what happens on both
// sides; each operation's outcome and all states at the end are compared. The model knows no stacks and no tags: only
// states, who resumed whom, and the words of the rules.
#include "cases/world.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace cases {
namespace {

enum class verb { resume, transfer, suspend, raise, kill, end, fail, destroy };
struct operation {
  verb what;
  int target;
};
constexpr int most_fibers = 7;  // the root is 0
constexpr int nobody_at_all = -1, somebody_gone = -2;

// What an operation came to: a refusal is its code, the rest are these.
enum outcome : int { was_true = 100, was_false, was_nothing, threw };

struct event {
  int who;
  std::size_t step;
  int result;
  friend bool operator==(const event&, const event&) = default;
};
struct story {
  std::vector<event> events;
  std::array<fiber_state, most_fibers> states{};
  friend bool operator==(const story&, const story&) = default;
};

class model {
 public:
  explicit model(int fibers) : count_(fibers) {
    state_.fill(fiber_state::created);
    resumer_.fill(nobody_at_all);
    state_[0] = fiber_state::running;
  }

  story tell(const std::vector<operation>& program) {
    for (step_ = 0; step_ < program.size(); ++step_) {
      waits_in_[at(now_)] = step_;
      doing_[at(now_)] = program[step_];
      apply(program[step_]);
    }
    story told{events_, state_};
    for (int i = count_ + 1; i < most_fibers; ++i) told.states[at(i)] = fiber_state::terminated;
    return told;
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  void say(int who, int result) { events_.push_back({who, waits_in_[at(who)], result}); }
  void refuse(fiber_errc code) { say(now_, static_cast<int>(code)); }

  bool waits_above(int fiber, int below) const {
    for (int i = resumer_[at(below)]; i != nobody_at_all; i = resumer_[at(i)]) {
      if (i == fiber) return true;
    }
    return false;
  }
  int innermost_of_root() const {
    int i = 0;
    for (bool deeper = true; deeper && state_[at(i)] == fiber_state::resuming;) {
      deeper = false;
      for (int k = 1; k <= count_; ++k) {
        if (resumer_[at(k)] == i && state_[at(k)] != fiber_state::terminated) {
          i = k;
          deeper = true;
          break;
        }
      }
    }
    return i;
  }

  // Control is in `who`, whose operation is over; `thrown`: by an exception.
  void arrive(int who, bool first, bool thrown, int result_of_resume) {
    now_ = who;
    state_[at(who)] = fiber_state::running;
    if (doomed_[at(who)]) return finish(who, false);
    if (first) return;
    if (thrown) return say(who, threw);
    switch (doing_[at(who)].what) {
      case verb::resume:
        return say(who, result_of_resume);
      case verb::raise:
        if (raised_in_[at(who)] == somebody_gone) return say(who, was_false);
        if (raised_in_[at(who)] != nobody_at_all) {
          return say(who, state_[at(raised_in_[at(who)])] == fiber_state::terminated ? was_false : was_true);
        }
        return say(who, result_of_resume);
      case verb::kill:
        return say(who, was_true);
      default:
        return say(who, was_nothing);
    }
  }
  void finish(int who, bool thrown) {
    state_[at(who)] = fiber_state::terminated;
    doomed_[at(who)] = false;
    const int resumer = std::exchange(resumer_[at(who)], nobody_at_all);
    arrive(resumer != nobody_at_all ? resumer : innermost_of_root(), false, thrown, was_false);
  }
  void go_down(int to, bool thrown) {
    const bool first = state_[at(to)] == fiber_state::created;
    state_[at(now_)] = fiber_state::resuming;
    resumer_[at(to)] = now_;
    arrive(to, first, thrown, was_nothing);
  }
  void go_across(int to, bool thrown) {
    const bool first = state_[at(to)] == fiber_state::created;
    state_[at(now_)] = fiber_state::transferred;
    arrive(to, first, thrown, was_nothing);
  }

  void apply(const operation& op) {
    const int to = op.target;
    const fiber_state its = state_[at(to)];
    switch (op.what) {
      case verb::resume:
        if (its == fiber_state::terminated) return refuse(fiber_errc::terminated);
        if (to == now_) return refuse(fiber_errc::resumes_itself);
        if (its == fiber_state::created || its == fiber_state::suspended) return go_down(to, false);
        if (resumer_[at(to)] != nobody_at_all) return refuse(fiber_errc::already_resumed);
        return refuse(its == fiber_state::transferred ? fiber_errc::transferred_away : fiber_errc::resuming_another);
      case verb::transfer:
        if (to == now_) return say(now_, was_nothing);
        if (its == fiber_state::terminated) return refuse(fiber_errc::terminated);
        if (its == fiber_state::suspended) return refuse(fiber_errc::awaits_resume);
        if (its == fiber_state::resuming) return refuse(fiber_errc::resuming_another);
        return go_across(to, false);
      case verb::suspend: {
        if (resumer_[at(now_)] == nobody_at_all) return refuse(fiber_errc::no_resumer);
        state_[at(now_)] = fiber_state::suspended;
        return arrive(std::exchange(resumer_[at(now_)], nobody_at_all), false, false, was_true);
      }
      case verb::raise:
        return apply_raise(to);
      case verb::kill:
        return apply_kill(to);
      case verb::end:
      case verb::fail:
        if (now_ == 0) return say(now_, was_nothing);
        return finish(now_, op.what == verb::fail);
      case verb::destroy:
        say(now_, was_nothing);
        if (!may_be_destroyed(to)) return;
        state_[at(to)] = fiber_state::created;  // another fiber in its place
        std::replace(raised_in_.begin(), raised_in_.end(), to, int{somebody_gone});
        return;
    }
  }
  void apply_raise(int to) {
    raised_in_[at(now_)] = nobody_at_all;
    if (state_[at(to)] == fiber_state::terminated) return refuse(fiber_errc::terminated);
    if (state_[at(to)] == fiber_state::created) return refuse(fiber_errc::not_started);
    if (to == now_ || waits_above(to, now_)) return say(now_, threw);
    if (state_[at(to)] == fiber_state::resuming) {
      const int innermost = innermost_of_root();
      if (!waits_above(to, innermost)) return refuse(fiber_errc::resuming_another);
      to = innermost;
    }
    if (state_[at(to)] == fiber_state::suspended) return go_down(to, true);
    raised_in_[at(now_)] = to;
    go_across(to, true);
  }
  void apply_kill(int to) {
    if (state_[at(to)] == fiber_state::terminated) return say(now_, was_false);
    if (state_[at(to)] == fiber_state::created) {
      state_[at(to)] = fiber_state::terminated;
      return say(now_, was_true);
    }
    if (to == now_) return finish(to, false);
    if (waits_above(to, now_)) {
      doomed_[at(to)] = true;
      return say(now_, was_true);
    }
    if (state_[at(to)] == fiber_state::resuming) return refuse(fiber_errc::resuming_another);
    doomed_[at(to)] = true;
    if (state_[at(to)] == fiber_state::suspended) return go_down(to, false);
    go_across(to, false);
  }
  bool may_be_destroyed(int to) const {
    const fiber_state its = state_[at(to)];
    if (its == fiber_state::running || its == fiber_state::resuming) return false;
    return its != fiber_state::transferred || resumer_[at(to)] == nobody_at_all;
  }

  int count_, now_ = 0;
  std::size_t step_ = 0;
  std::vector<event> events_;
  std::array<fiber_state, most_fibers> state_{};
  std::array<int, most_fibers> resumer_{}, raised_in_{};
  std::array<bool, most_fibers> doomed_{};
  std::array<std::size_t, most_fibers> waits_in_{};
  std::array<operation, most_fibers> doing_{};
};

// The same program by real fibers.
class reality {
 public:
  explicit reality(int fibers) : root_(this_fiber::ref()) {
    for (int i = 1; i <= fibers; ++i) make(i);
  }
  story tell(const std::vector<operation>& program) {
    program_ = &program;
    act(0);
    // Whoever is left ends at once when continued.
    for (bool again = true; again;) {
      again = false;
      for (fiber& f : fibers_) {
        if (f.state() == fiber_state::suspended) {
          again = true;
          f.resume();
        } else if (f.state() == fiber_state::transferred) {
          again = true;
          f.transfer();
        }
      }
    }
    return told_;
  }

 private:
  void make(int i) {
    fibers_[static_cast<std::size_t>(i)] = fiber([this, i] { act(i); });
  }
  fiber_ref who(int i) { return i == 0 ? root_ : fiber_ref(fibers_[static_cast<std::size_t>(i)]); }
  bool may_be_destroyed(int i) {
    const fiber_state its = who(i).state();
    if (its == fiber_state::running || its == fiber_state::resuming) return false;
    if (its != fiber_state::transferred) return true;
    try {  // a resume says whether somebody resumed it, and changes nothing
      who(i).resume();
    } catch (const ramie::fiber_error& error) {
      return error.code() == fiber_errc::transferred_away;
    }
    return false;
  }

  void act(int self) {
    while (next_ < program_->size()) {
      const std::size_t step = next_++;
      const operation op = (*program_)[step];
      int result = was_nothing;
      if (self != 0 && op.what == verb::end) return;
      if (self != 0 && op.what == verb::fail) throw 7;
      try {
        result = perform(op);
      } catch (const ramie::fiber_error& error) {
        result = error.code().value();
      } catch (int) {
        result = threw;
      }
      if (!over_) told_.events.push_back({self, step, result});
    }
    if (over_) return;
    over_ = true;
    for (int i = 0; i < most_fibers; ++i) told_.states[static_cast<std::size_t>(i)] = who(i).state();
  }
  int perform(const operation& op) {
    switch (op.what) {
      case verb::resume:
        return who(op.target).resume() ? was_true : was_false;
      case verb::transfer:
        who(op.target).transfer();
        return was_nothing;
      case verb::suspend:
        this_fiber::suspend();
        return was_nothing;
      case verb::raise:
        return who(op.target).raise(error_) ? was_true : was_false;
      case verb::kill:
        return who(op.target).kill() ? was_true : was_false;
      case verb::destroy:
        if (may_be_destroyed(op.target)) make(op.target);
        return was_nothing;
      default:
        return was_nothing;
    }
  }

  fiber_ref root_;
  std::array<fiber, most_fibers> fibers_;
  const std::vector<operation>* program_ = nullptr;
  std::size_t next_ = 0;
  bool over_ = false;
  story told_;
  std::exception_ptr error_ = make_error<int>(5);
};

std::string text_of(const std::vector<operation>& program) {
  static const char* const words[] = {"resume", "transfer", "suspend", "raise", "kill", "end", "fail", "destroy"};
  std::string text;
  for (const operation& op : program) {
    text += std::string(words[static_cast<int>(op.what)]) + " " + std::to_string(op.target) + "; ";
  }
  return text;
}
std::string text_of(const story& told) {
  std::string text;
  for (const event& e : told.events) {
    text += "#" + std::to_string(e.step) + " by " + std::to_string(e.who) + ": " + std::to_string(e.result) + "; ";
  }
  for (fiber_state s : told.states) text += std::string(name_of(s)) + " ";
  return text;
}

bool agree(const std::vector<operation>& program, int fibers) {
  const story expected = model(fibers).tell(program);
  const story seen = reality(fibers).tell(program);
  if (expected == seen) return true;
  ADD_FAILURE() << text_of(program) << "\nmodel:   " << text_of(expected) << "\nreality: " << text_of(seen);
  return false;
}

class model_test : public clean_world {};

// Fibers that were not touched yet are alike, so only the first of them is tried.
struct all_programs {
  int fibers;
  std::size_t depth;
  std::vector<operation> program{};
  long tried = 0;

  bool go_on(int used) {
    if (program.size() == depth) {
      ++tried;
      return agree(program, fibers);
    }
    const int reach = std::min(used + 1, fibers);
    for (verb what : {verb::resume, verb::transfer, verb::raise, verb::kill}) {
      for (int target = what == verb::kill ? 1 : 0; target <= reach; ++target) {
        if (!with({what, target}, std::max(used, target))) return false;
      }
    }
    for (verb what : {verb::suspend, verb::end, verb::fail}) {
      if (!with({what, 0}, used)) return false;
    }
    return true;
  }
  bool with(operation op, int used) {
    program.push_back(op);
    const bool fine = go_on(used);
    program.pop_back();
    return fine;
  }
};

// RAMIE_MODEL_DEPTH=6 is 6.2 million programs, half a minute; each step more takes seventeen times as long.
std::size_t deepest() {
  if (const char* given = std::getenv("RAMIE_MODEL_DEPTH"); given != nullptr) return std::strtoul(given, nullptr, 10);
  return sanitized ? 3 : 5;
}

TEST_F(model_test, all_short_programs_of_three_fibers_end_as_the_rules_say) {
  for (std::size_t depth = 1; depth <= deepest(); ++depth) {
    all_programs all{3, depth};
    EXPECT_TRUE(all.go_on(0));
    std::printf("depth %zu: %ld programs\n", depth, all.tried);
  }
}

TEST_F(model_test, long_random_programs_of_six_fibers_end_as_the_rules_say) {
  const char* given = std::getenv("RAMIE_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("RAMIE_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  auto pick = [&](int most) { return static_cast<int>(random() % static_cast<std::uint64_t>(most + 1)); };
  const int programs = sanitized ? 100 : 3000;
  for (int i = 0; i < programs; ++i) {
    const int fibers = 1 + pick(5);
    std::vector<operation> program;
    for (int length = 20 + pick(180); length > 0; --length) {
      static constexpr verb deck[] = {verb::resume,  verb::resume,  verb::resume, verb::transfer, verb::transfer,
                                      verb::suspend, verb::suspend, verb::raise,  verb::kill,     verb::end,
                                      verb::fail,    verb::destroy, verb::destroy};
      const verb what = deck[pick(12)];
      const bool not_the_root = what == verb::kill || what == verb::destroy;
      program.push_back({what, not_the_root ? 1 + pick(fibers - 1) : pick(fibers)});
    }
    ASSERT_TRUE(agree(program, fibers)) << "program " << i << " of seed " << seed;
  }
}

}  // namespace
}  // namespace cases
