// One text about one event, built where nothing may be allocated and written in one piece.
//
//   backtrace::report report;
//   report.text().add("ramie: stack overflow in fiber \"parser\" (#12)\n");
//   report.add_frames(collect_interrupted(context, bounds), names::by_program);
//   report.send(2);
//
// Safe in signal handlers, on any thread. The memory (about 50 KiB, untouched until the first report) is the process's,
// so that a small alternate stack suffices and one report is built at a time: another thread waits for its turn, five
// seconds at most. A report inside a report of the same thread (a crash while reporting), or one whose turn never came,
// is not usable: it has no room, and send() does nothing.
#pragma once

#include "backtrace/frame.hpp"
#include "base/fixed_text.hpp"

#include <cstdint>

namespace ramie::backtrace {

enum class names : std::uint8_t {
  none,        // module+offset only: microseconds
  in_process,  // what dladdr knows; NEVER in a signal handler
  by_program,  // asks the symbolizer, two seconds at most; module+offset where there is none
};

class report {
 public:
  report() noexcept;
  report(const report&) = delete;
  report& operator=(const report&) = delete;
  ~report();

  [[nodiscard]] bool usable() const noexcept { return usable_; }
  // The text so far, to add to. At most 16 KiB; what does not fit is cut off, and send() says so.
  [[nodiscard]] fixed_text& text() noexcept { return text_; }

  // One line for each frame, "    0  function file:line  (module+0xoffset)", recursions folded, and a last line when
  // the walk ended before the bottom of the stack. Frames without a name show where they are.
  void add_frames(const trace& frames, names how) noexcept;

  // Writes the text by one write(2): nothing of other threads or processes comes between, on a file opened for
  // appending, a terminal, or a pipe with room for it. The text is empty afterwards. Returns 0 or errno; ECANCELED when
  // not usable.
  int send(int descriptor) noexcept;

 private:
  bool usable_;
  fixed_text text_;
};

}  // namespace ramie::backtrace
