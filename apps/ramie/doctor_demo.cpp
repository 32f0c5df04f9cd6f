// `--demo`: the experiments that made people write about this, each in a child of its own: lay memory out, let the
// doctor foretell, then really fork, and put both side by side.
//
// The layouts are address space, not memory: nothing is written to, so each child stays at a few MiB (the one with tens
// of thousands of mappings costs the kernel about 20 MiB). Children die with us, and after a minute by themselves.
#include "diagnose/words.hpp"
#include "doctor.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

extern char** environ;

namespace ramie::app {
namespace {

constexpr std::size_t page = 4096;
constexpr int ordinary = MAP_PRIVATE | MAP_ANONYMOUS;

struct plan {
  std::size_t piece;   // bytes of one mapping: small enough that mmap grants it
  std::size_t pieces;  // together half as much again as RAM and swap
  std::size_t max_map_count;
};

plan plan_for(const os::machine& machine) {
  std::size_t piece = std::max<std::size_t>((machine.memory + machine.swap) / 8 / page * page, 64 * page);
  return {piece, 13, machine.max_map_count};
}

char* map_piece(void* where, std::size_t bytes, int flags) {
  void* at = mmap(where, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<char*>(at);
}

// One reservation, so that pieces lie side by side (and merge) or with a page between them (and do not).
bool lay_out(const plan& p, std::size_t gap, int flags) {
  void* at = mmap(nullptr, p.pieces * (p.piece + gap), PROT_NONE, ordinary | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return false;
  char* base = static_cast<char*>(at);
  for (std::size_t i = 0; i != p.pieces; ++i) {
    if (map_piece(base + i * (p.piece + gap), p.piece, ordinary | MAP_FIXED | flags) == nullptr) return false;
  }
  return true;
}

bool merged(const plan& p) { return lay_out(p, 0, 0); }
bool scattered(const plan& p) { return lay_out(p, page, 0); }
bool no_reserve(const plan& p) { return lay_out(p, 0, MAP_NORESERVE); }
bool dont_fork(const plan& p) {
  void* at = mmap(nullptr, p.pieces * p.piece, PROT_NONE, ordinary | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return false;
  char* base = static_cast<char*>(at);
  for (std::size_t i = 0; i != p.pieces; ++i) {
    char* one = map_piece(base + i * p.piece, p.piece, ordinary | MAP_FIXED);
    if (one == nullptr || madvise(one, p.piece, MADV_DONTFORK) != 0) return false;
  }
  return true;
}

std::string tried_fork() {
  pid_t child = fork();
  if (child == 0) _exit(0);
  if (child < 0) return fmt::format("fork: {}", std::strerror(errno));
  waitpid(child, nullptr, 0);
  return "fork: works";
}

std::string tried_vfork() {
  pid_t child = vfork();
  if (child == 0) _exit(0);
  if (child < 0) return fmt::format("vfork: {}", std::strerror(errno));
  waitpid(child, nullptr, 0);
  return "vfork: works";
}

// Of a program that does not exist: that all before the exec worked is what we want to see.
std::string tried_spawn() {
  std::string program = "/nonexistent/program";
  char* arguments[] = {program.data(), nullptr};
  pid_t child = 0;
  int error = posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, environ);
  return error == ENOENT ? "posix_spawn: works" : fmt::format("posix_spawn: {}", std::strerror(error));
}

std::string try_all() { return tried_fork() + ", " + tried_vfork() + ", " + tried_spawn(); }

std::string foretold(const char* how, diagnose::outcome value, int error) {
  switch (value) {
    case diagnose::outcome::works:
      return fmt::format("{}: works", how);
    case diagnose::outcome::fails:
      return fmt::format("{}: {}", how, std::strerror(error));
    default:
      return fmt::format("{}: {}", how, std::string(word_for(value)));
  }
}

struct answer {
  std::string foretold;
  std::string because;
};

answer foretell_forks(const diagnose::report& about) {
  const diagnose::fork_verdict& verdict = about.fork;
  int error = verdict.decisive().error_number;
  return {foretold("fork", verdict.fork, error) + ", " + foretold("vfork", verdict.vfork, error) + ", " +
              foretold("posix_spawn", verdict.spawn, error),
          about.fork.gates[1].why};
}

// Stacks as runtimes make them: one pool, a guard page set by mprotect in each. The doctor looks when a quarter of the
// limit is made; then the pool goes on until the kernel refuses.
constexpr std::size_t stack_bytes = 8 * page;
char* stack_pool = nullptr;
std::size_t stacks_made = 0;

bool make_stacks(std::size_t up_to) {
  for (; stacks_made != up_to; ++stacks_made) {
    if (mprotect(stack_pool + stacks_made * stack_bytes, page, PROT_NONE) != 0) return false;
  }
  return true;
}

bool first_stacks(const plan& p) {
  void* at = mmap(nullptr, p.max_map_count * stack_bytes, PROT_READ | PROT_WRITE, ordinary | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return false;
  stack_pool = static_cast<char*>(at);
  return make_stacks(p.max_map_count / 4);
}

std::string more_stacks() {
  if (make_stacks(stacks_made * 4)) return "no limit met";
  return fmt::format("stack {}: mprotect: {}", diagnose::grouped(stacks_made + 1), std::strerror(errno));
}

answer foretell_stacks(const diagnose::report& about) {
  if (about.mappings.stacks.empty()) return {"no stacks seen", ""};
  const diagnose::guarded_stacks& seen = about.mappings.stacks.front();
  return {fmt::format("stack {}: mprotect: {}", diagnose::grouped(seen.fails_at + 1), std::strerror(ENOMEM)),
          fmt::format("seen at {} stacks: {} of {} mappings, two more for each stack", diagnose::grouped(seen.count),
                      diagnose::grouped(about.mappings.count), diagnose::grouped(about.mappings.limit))};
}

struct experiment {
  const char* name;
  const char* what;
  bool (*lay_out)(const plan&);
  answer (*foretell)(const diagnose::report&);
  std::string (*happen)();
};

constexpr std::array<experiment, 6> experiments{{
    {"plain", "as it started", nullptr, foretell_forks, try_all},
    {"merged", "pieces side by side become one mapping", merged, foretell_forks, try_all},
    {"scattered", "the same with a page between them", scattered, foretell_forks, try_all},
    {"noreserve", "side by side, MAP_NORESERVE", no_reserve, foretell_forks, try_all},
    {"dontfork", "side by side, MADV_DONTFORK", dont_fork, foretell_forks, try_all},
    {"guards", "stacks in one pool, a guard page in each by mprotect", first_stacks, foretell_stacks, more_stacks},
}};

// A child that lays itself out, says so (an empty line, or why it cannot), waits for a byte, and tells what happened.
class subject {
 public:
  subject(const experiment& e, const plan& p) {
    int requests[2], answers[2];
    if (pipe2(requests, O_CLOEXEC) != 0) return;
    if (pipe2(answers, O_CLOEXEC) != 0) {
      close(requests[0]);
      close(requests[1]);
      return;
    }
    std::fflush(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      close(requests[1]);
      close(answers[0]);
      live(e, p, requests[0], answers[1]);
    }
    close(requests[0]);
    close(answers[1]);
    request_ = requests[1];
    answers_ = answers[0];
  }
  ~subject() {
    close(request_);
    close(answers_);
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  subject(const subject&) = delete;
  subject& operator=(const subject&) = delete;

  int pid() const { return pid_; }
  std::string ready() { return line(); }
  std::string happen() { return write(request_, "g", 1) == 1 ? line() : "no answer"; }

 private:
  [[noreturn]] static void live(const experiment& e, const plan& p, int requests, int answers) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(60);
    bool laid_out = e.lay_out == nullptr || e.lay_out(p);
    tell(answers, laid_out ? "" : std::string("cannot be laid out here: ") + std::strerror(errno));
    char go = 0;
    if (laid_out && read(requests, &go, 1) == 1) tell(answers, e.happen());
    _exit(0);
  }

  // Short enough for a pipe to take in one piece.
  static void tell(int answers, const std::string& text) {
    std::string whole = text + "\n";
    if (write(answers, whole.data(), whole.size()) < 0) _exit(1);
  }

  std::string line() {
    std::string text;
    for (char next; read(answers_, &next, 1) == 1;) {
      if (next == '\n') return text;
      text += next;
    }
    return "the child died";
  }

  pid_t pid_ = -1;
  int request_ = -1;
  int answers_ = -1;
};

// Whether all went as foretold; nothing is counted when it cannot be tried here.
enum class ending : unsigned char { as_foretold, otherwise, not_here };

ending show(std::FILE* to, const paint& colours, const experiment& e, const plan& p) {
  fmt::print(to, "\n{}: {}\n", colours.bold(e.name), e.what);
  subject child(e, p);
  std::string refused = child.pid() > 0 ? child.ready() : std::string("fork: ") + std::strerror(errno);
  if (!refused.empty()) {
    fmt::print(to, "  {}\n", refused);
    return ending::not_here;
  }
  diagnose::report about = diagnose::examine({}, child.pid(), {});
  if (!about.readable()) {
    fmt::print(to, "  {}: {}\n", about.facts.refused, std::strerror(about.facts.error));
    return ending::not_here;
  }
  answer told = e.foretell(about);
  std::string happened = child.happen();
  bool same = told.foretold == happened;
  fmt::print(to, "  foretold  {}\n  happened  {}  {}\n  {}\n", told.foretold, happened,
             same ? colours.good("as foretold") : colours.bad("NOT as foretold"),
             colours.faint(wrapped(told.because, "  ")));
  return same ? ending::as_foretold : ending::otherwise;
}

}  // namespace

int run_demo(std::FILE* to) {
  paint colours(to);
  os::machine machine = os::read_machine({});
  plan p = plan_for(machine);
  fmt::print(to,
             "{} pieces of {}: {} of address space on a machine with {} of RAM + swap,\nvm.overcommit_memory = {}, "
             "vm.max_map_count = {}. "
             "Nothing is written to; each runs in a child of its own.\n",
             p.pieces, diagnose::size_text(p.piece), diagnose::size_text(p.piece * p.pieces),
             diagnose::size_text(machine.memory + machine.swap), machine.overcommit_mode,
             diagnose::grouped(machine.max_map_count));
  unsigned right = 0, tried = 0;
  for (const experiment& e : experiments) {
    ending end = show(to, colours, e, p);
    tried += end != ending::not_here;
    right += end == ending::as_foretold;
  }
  fmt::print(to, "\n{} of {} as foretold\n", right, tried);
  return right == tried ? exit_fine : exit_finding;
}

}  // namespace ramie::app
