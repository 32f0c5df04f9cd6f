// A measurement in a process of its own: forked, so that one's memory, mappings and page tables are not another's.
//
// The child writes lines into a pipe; the parent reads them into the report and moves the progress bar. A child that
// dies, or throws, leaves what it had written and a note. Call it from a process with one thread and no fibers.
#pragma once

#include "bench.hpp"

#include <functional>
#include <string>

namespace ramie::app {

// The child's end.
class child_output {
 public:
  explicit child_output(int descriptor) : descriptor_(descriptor) {}
  void result(const bench_result& row);
  void note(const std::string& sentence);
  void progress(double done, const std::string& what);  // done: 0 to 1 of this child's work

 private:
  void line(const std::string& text) const;
  int descriptor_;
};

// A bar on stderr when that is a terminal and nothing at all when it is not.
class progress_bar {
 public:
  explicit progress_bar(int steps);
  ~progress_bar();
  progress_bar(const progress_bar&) = delete;
  progress_bar& operator=(const progress_bar&) = delete;
  void show(double done, const std::string& what);  // of the current step
  void next() { ++step_; }

 private:
  bool visible_;
  int steps_, step_ = 0;
};

// Runs `job` in a child and waits for it. False when it died or threw; the report then says so.
bool run_in_child(bench_report& report, progress_bar& bar, const std::function<void(child_output&)>& job);

}  // namespace ramie::app
