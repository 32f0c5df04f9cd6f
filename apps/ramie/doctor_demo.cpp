// `--demo`: the experiments that made people write about this, each in a child of its own: lay memory out, let the
// doctor foretell, then really fork, and put both side by side.
//
// The layouts are address space, not memory: nothing is written to, so each child stays at a few MiB (the one with tens
// of thousands of mappings costs the kernel about 20 MiB). Children die with us, and after a minute by themselves.
#include "diagnose/words.hpp"
#include "doctor.hpp"

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
};

plan plan_for(const os::machine& machine) {
  std::size_t piece = std::max<std::size_t>((machine.memory + machine.swap) / 8 / page * page, 64 * page);
  return {piece, 13};
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

std::string tried_spawn() {
  std::string program = "true";
  char* arguments[] = {program.data(), nullptr};
  pid_t child = 0;
  int error = posix_spawnp(&child, "true", nullptr, nullptr, arguments, environ);
  if (error != 0) return fmt::format("posix_spawn: {}", std::strerror(error));
  waitpid(child, nullptr, 0);
  return "posix_spawn: works";
}

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

struct answers {
  std::string foretold;
  std::string happened;
  std::string because;
};

answers compare_forks() {
  diagnose::report about = diagnose::examine({}, getpid(), {});
  const diagnose::fork_verdict& verdict = about.fork;
  int error = verdict.decisive().error_number;
  answers result;
  result.foretold = foretold("fork", verdict.fork, error) + ", " + foretold("vfork", verdict.vfork, error) + ", " +
                    foretold("posix_spawn", verdict.spawn, error);
  result.happened = tried_fork() + ", " + tried_vfork() + ", " + tried_spawn();
  result.because = about.fork.gates[1].why;
  return result;
}

// Stacks as runtimes make them: one pool, a guard page set by mprotect in each. The doctor looks after a quarter of the
// limit; then the pool goes on until the kernel refuses.
answers compare_guards() {
  constexpr std::size_t stack = 8 * page;
  os::machine machine = os::read_machine({});
  std::size_t most = machine.max_map_count;
  void* at = mmap(nullptr, most * stack, PROT_READ | PROT_WRITE, ordinary | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return {};
  char* base = static_cast<char*>(at);
  answers result;
  std::size_t look_at = most / 4;
  for (std::size_t made = 0; made != most; ++made) {
    if (made == look_at) {
      diagnose::report about = diagnose::examine({}, machine, getpid(), {});
      if (about.mappings.stacks.empty()) return {"no stacks seen", "", ""};
      const diagnose::guarded_stacks& seen = about.mappings.stacks.front();
      result.foretold = fmt::format("stack {} cannot be made", diagnose::grouped(seen.fails_at + 1));
      result.because = fmt::format("seen at {} stacks: {} of {} mappings", diagnose::grouped(made),
                                   diagnose::grouped(about.mappings.count), diagnose::grouped(about.mappings.limit));
    }
    if (mprotect(base + made * stack, page, PROT_NONE) == 0) continue;
    result.happened = fmt::format("stack {}: mprotect: {}", diagnose::grouped(made + 1), std::strerror(errno));
    return result;
  }
  result.happened = "no limit met";
  return result;
}

struct experiment {
  const char* name;
  const char* what;
  bool (*lay_out)(const plan&);
  answers (*compare)();
};

constexpr std::array<experiment, 6> experiments{{
    {"plain", "as it started", nullptr, compare_forks},
    {"merged", "pieces side by side become one mapping", merged, compare_forks},
    {"scattered", "the same with a page between them", scattered, compare_forks},
    {"noreserve", "side by side, MAP_NORESERVE", no_reserve, compare_forks},
    {"dontfork", "side by side, MADV_DONTFORK", dont_fork, compare_forks},
    {"guards", "stacks in one pool, a guard page in each by mprotect", nullptr, compare_guards},
}};

void write_line(int descriptor, const std::string& text) {
  std::string line = text + "\n";
  for (std::size_t at = 0; at < line.size();) {
    ssize_t written = write(descriptor, line.data() + at, line.size() - at);
    if (written <= 0) return;
    at += static_cast<std::size_t>(written);
  }
}

[[noreturn]] void run_child(const experiment& e, const plan& p, int answer) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(60);
  if (e.lay_out != nullptr && !e.lay_out(p)) {
    write_line(answer, fmt::format("cannot be laid out here: {}", std::strerror(errno)));
    _exit(0);
  }
  answers found = e.compare();
  write_line(answer, found.foretold);
  write_line(answer, found.happened);
  write_line(answer, found.because);
  _exit(0);
}

std::vector<std::string> ask_child(const experiment& e, const plan& p) {
  int ends[2];
  if (pipe(ends) != 0) return {std::string("pipe: ") + std::strerror(errno)};
  std::fflush(nullptr);
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    run_child(e, p, ends[1]);
  }
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    return {std::string("fork: ") + std::strerror(errno)};
  }
  std::string text;
  std::array<char, 4096> part;
  for (ssize_t got; (got = read(ends[0], part.data(), part.size())) > 0;)
    text.append(part.data(), static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  std::vector<std::string> lines;
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    lines.push_back(text.substr(at, end - at));
  if (WIFSIGNALED(status)) lines.insert(lines.begin(), fmt::format("ended by signal {}", WTERMSIG(status)));
  return lines;
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
    std::vector<std::string> lines = ask_child(e, p);
    fmt::print(to, "\n{}: {}\n", colours.bold(e.name), e.what);
    if (lines.size() != 3) {
      fmt::print(to, "  {}\n", lines.empty() ? "no answer" : lines.front());
      continue;
    }
    bool same = lines[0] == lines[1] || lines[1].starts_with(lines[0].substr(0, lines[0].find(" cannot")) + ":");
    ++tried;
    right += same;
    fmt::print(to, "  foretold  {}\n  happened  {}  {}\n  {}\n", lines[0], lines[1],
               same ? colours.good("as foretold") : colours.bad("NOT as foretold"),
               colours.faint(wrapped(lines[2], "  ")));
  }
  fmt::print(to, "\n{} of {} as foretold\n", right, tried);
  return right == tried ? exit_fine : exit_finding;
}

}  // namespace ramie::app
