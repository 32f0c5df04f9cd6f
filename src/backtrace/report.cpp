#include "backtrace/report.hpp"

#include "backtrace/describe.hpp"
#include "backtrace/fold.hpp"
#include "backtrace/symbolizer.hpp"
#include "os/signal_safe.hpp"

#include <pthread.h>

#include <array>
#include <atomic>
#include <cerrno>

namespace ramie::backtrace {

namespace {

constexpr std::string_view cut_off = "  (the report is longer; the rest is cut off)\n";
constexpr std::size_t name_limit = 200;
constexpr std::uint64_t turn_step_ns = 1'000'000;
constexpr int turn_steps = 5'000;

// All that a report needs. Zero pages until the first one.
struct workspace {
  std::array<char, 16 << 10> text;
  std::array<char, 12 << 10> questions;
  std::array<char, 16 << 10> answer;
  std::array<char, 4 << 10> program;
  std::array<folded_line, folded_line_limit> lines;
};
workspace space;
std::atomic<int> reporting_thread = 0;

// Whoever was reporting in the parent is not in the child, which would wait for its turn in vain.
void nobody_reports() noexcept { reporting_thread.store(0, std::memory_order_relaxed); }
[[gnu::constructor(101)]] void see_to_forks() { pthread_atfork(nullptr, nullptr, &nobody_reports); }

bool take_turn() noexcept {
  const int me = os::thread_number();
  for (int step = 0; step < turn_steps; ++step) {
    int nobody = 0;
    if (reporting_thread.compare_exchange_strong(nobody, me, std::memory_order_acquire)) return true;
    if (nobody == me) return false;
    os::sleep_ns(turn_step_ns);
  }
  return false;
}

// A path that the symbolizer can open, also that of a program whose file was replaced while it ran.
void add_path(fixed_text& text, std::string_view module) noexcept {
  if (module.ends_with(" (deleted)"))
    text.add("/proc/").add_decimal(static_cast<std::uint64_t>(os::process_number())).add("/exe");
  else
    text.add(module.empty() ? "?" : module);
}

// The questions about all lines that show a frame; stops where the room ends, the rest then goes without names.
std::string_view write_questions(std::span<const folded_line> lines) noexcept {
  fixed_text text(space.questions);
  for (const folded_line& line : lines) {
    if (line.what != folded_line::kind::frame) continue;
    const std::size_t before = text.size();
    const location where = locate(line.at, space.program);
    add_path(text, where.module);
    text.add(' ').add_hex(where.offset).add('\n');
    if (text.truncated()) {
      text.shrink(before);
      break;
    }
  }
  return text.view();
}

// The next line of the answer without its end, or "" when there is none or it knows nothing.
std::string_view next_answer(std::string_view& answers) noexcept {
  const std::size_t end = answers.find('\n');
  if (end == answers.npos) return {};
  const std::string_view line = answers.substr(0, end);
  answers.remove_prefix(end + 1);
  constexpr std::string_view unknown = "??";
  constexpr std::string_view no_line = " ??:0";
  const std::string_view known = line.ends_with(no_line) ? line.substr(0, line.size() - no_line.size()) : line;
  return known == unknown ? std::string_view() : known;
}

// Numbers stand below each other: five places, more in a very deep stack.
std::size_t number_width(std::uint64_t total) noexcept {
  std::size_t width = 5;
  for (std::uint64_t rest = total / 100'000; rest != 0; rest /= 10) ++width;
  return width;
}

// To where names begin.
fixed_text& indent(fixed_text& text, std::size_t width) noexcept {
  for (std::size_t at = 0; at < width + 2; ++at) text.add(' ');
  return text;
}

void add_frame(fixed_text& text, const folded_line& line, std::size_t width, std::string_view name) noexcept {
  const location where = locate(line.at, space.program);
  text.add_decimal(line.number, width).add("  ");
  if (where.module.empty()) {
    text.add_hex(where.offset).add("  (in no loaded file)\n");
    return;
  }
  if (!name.empty()) text.add_shortened(name, name_limit).add("  (");
  text.add_shortened(where.name(), name_limit).add('+').add_hex(where.offset);
  text.add(name.empty() ? "\n" : ")\n");
}

void add_line(fixed_text& text, const folded_line& line, std::size_t width, names how,
              std::string_view& answers) noexcept {
  switch (line.what) {
    case folded_line::kind::frame: {
      std::string_view name;
      if (how == names::by_program) name = next_answer(answers);
      if (how == names::in_process) {
        const char* found = exported_name(line.at);
        name = found == nullptr ? "" : found;
      }
      add_frame(text, line, width, name);
      return;
    }
    case folded_line::kind::repeated:
      indent(text, width).add("... ").add_count(line.number).add(" more frames of the same ");
      if (line.functions == 1)
        text.add("function\n");
      else
        text.add_count(line.functions).add(" functions\n");
      return;
    case folded_line::kind::left_out:
      indent(text, width).add("... ").add_count(line.number).add(" frames left out\n");
      return;
  }
}

}  // namespace

report::report() noexcept
    : usable_(take_turn()),
      text_(usable_ ? std::span<char>(space.text).first(space.text.size() - cut_off.size()) : std::span<char>()) {}

report::~report() {
  if (usable_) reporting_thread.store(0, std::memory_order_release);
}

void report::add_frames(const trace& frames, names how) noexcept {
  if (!usable_) return;
  const std::span<folded_line> lines = fold(frames, space.lines);
  const std::size_t width = number_width(frames.total());
  std::string_view answers;
  if (how == names::by_program) symbolize(write_questions(lines), space.answer, answers);
  for (const folded_line& line : lines) add_line(text_, line, width, how, answers);
  if (frames.ended() == ending::out_of_bounds || frames.ended() == ending::no_caller)
    indent(text_, width).add("(the walk ends here: ").add(describe(frames.ended())).add(")\n");
}

int report::send(int descriptor) noexcept {
  if (!usable_) return ECANCELED;
  std::size_t size = text_.size();
  if (text_.truncated())
    for (const char letter : cut_off) space.text[size++] = letter;
  const int error = os::write_all(descriptor, {space.text.data(), size});
  text_.shrink(0);
  return error;
}

}  // namespace ramie::backtrace
