// A child that lays itself out, waits to be diagnosed, and then really forks: the oracle of every verdict.
//
// Owner thread of the test only. The child dies with the object, and with the test program; what it forks exits at
// once.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace ramie::test {

// How a real attempt ended: 0 it worked, otherwise the errno; `killed` when the process that tried is dead.
struct attempt {
  int error = 0;
  bool killed = false;
  bool worked() const { return error == 0 && !killed; }
};

attempt try_fork();
attempt try_vfork();
// Of a program that does not exist: ENOENT says that everything before the exec worked.
attempt try_spawn();

class laid_out_child {
 public:
  // Runs `lay_out` in a forked child; what it returns, if not empty, is why this cannot be done here.
  explicit laid_out_child(const std::function<std::string()>& lay_out);
  ~laid_out_child();
  laid_out_child(const laid_out_child&) = delete;
  laid_out_child& operator=(const laid_out_child&) = delete;

  int pid() const { return pid_; }
  const std::string& refused() const { return refused_; }

  attempt fork() { return ask('f'); }
  attempt vfork() { return ask('v'); }
  attempt spawn() { return ask('s'); }

 private:
  attempt ask(char what);
  pid_t pid_ = -1;
  int requests_ = -1;
  int answers_ = -1;
  std::string refused_;
};

}  // namespace ramie::test
