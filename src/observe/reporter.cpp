#include "observe/reporter.hpp"

#include "backtrace/fold.hpp"
#include "backtrace/frame_names.hpp"
#include "os/signal_safe.hpp"
#include "task/frame_filter.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <string>
#include <utility>

namespace ramie::inline v0::observe {
namespace {

constexpr std::size_t waiting_most = 256;
constexpr int standard_error = 2;

using lines = std::array<backtrace::folded_line, backtrace::folded_line_limit>;

std::string text_of(const backtrace::folded_line& line, const backtrace::frame_names& names) {
  std::string text;
  switch (line.what) {
    case backtrace::folded_line::kind::frame:
      names.append(text, line.at);
      break;
    case backtrace::folded_line::kind::repeated:
      text = "... " + std::to_string(line.number) + " more frames of the same " +
             (line.functions == 1 ? "function" : std::to_string(line.functions) + " functions");
      break;
    case backtrace::folded_line::kind::left_out:
      text = "... " + std::to_string(line.number) + " more frames";
      break;
  }
  return text;
}

void name_frames(finding& one) {
  using kind = backtrace::folded_line::kind;
  std::vector<backtrace::folded_line> all;
  std::vector<std::size_t> ends;  // where each fiber's lines end
  for (std::size_t fiber = 0; fiber < one.stacks.fibers; ++fiber) {
    lines memory;
    const auto part = backtrace::fold(one.stacks.stacks[fiber], memory);
    all.insert(all.end(), part.begin(), part.end());
    ends.push_back(all.size());
  }
  std::vector<backtrace::frame> frames;
  for (const backtrace::folded_line& line : all) {
    if (line.what == kind::frame) frames.push_back(line.at);
  }
  backtrace::frame_names names;
  names.learn(frames);
  const auto is_ours = [&](const backtrace::folded_line& line) {
    return line.what == kind::frame && tasking::is_below_tasks(names.name_of(line.at));
  };
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    std::size_t last = end;
    while (last > begin && is_ours(all[last - 1])) --last;
    if (last == begin) last = end;
    for (; begin < last; ++begin) one.what.frames.push_back(text_of(all[begin], names));
    begin = end;
  }
  one.what.no_frames = one.stacks.no_frames;
  if (one.what.frames.empty() && one.what.no_frames.empty()) one.what.no_frames = "nothing was found on its stack";
}

}  // namespace

bool reporter::put(finding one) noexcept {
  try {
    const std::lock_guard held(lock_);
    if (found_.size() >= waiting_most) return false;
    found_.push_back(std::move(one));
  } catch (const std::bad_alloc&) {
    return false;
  }
  more_.notify_one();
  return true;
}

void reporter::stop() noexcept {
  {
    const std::lock_guard held(lock_);
    is_stopped_ = true;
  }
  more_.notify_one();
}

void reporter::tell_all() noexcept {
  std::unique_lock held(lock_);
  for (;;) {
    more_.wait(held, [&] { return is_stopped_ || !found_.empty(); });
    if (found_.empty()) return;
    finding one = std::move(found_.front());
    found_.pop_front();
    held.unlock();
    try {
      tell(one);
    } catch (...) {
      // A report that throws is dropped, and so is one that there is no memory for.
    }
    held.lock();
  }
}

void reporter::tell(finding& one) {
  if (one.what.is_over) {
    const auto begun =
        std::find_if(begun_.begin(), begun_.end(), [&](const stall& other) { return other.number == one.what.number; });
    if (begun == begun_.end()) return;
    begun->is_over = true;
    begun->duration = one.what.duration;
    one.what = std::move(*begun);
    begun_.erase(begun);
  } else {
    name_frames(one);
    begun_.push_back(one.what);
  }
  if (report_ != nullptr) return report_(one.what);
  os::write_all(standard_error, describe(one.what));
}

}  // namespace ramie::inline v0::observe
