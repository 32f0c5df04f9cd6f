// The eight causes for which a fork fails, each brought about for real: the doctor must name it, and the fork must then
// fail that way.
//
// What a machine does not allow is skipped with the reason. Settings of the whole machine (overcommit mode,
// threads-max) are only written where RAMIE_TEST_OWNS_MACHINE is set, as in the guest.
#include "diagnose/cgroup_box.hpp"
#include "diagnose/child.hpp"
#include "diagnose/report.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <optional>

namespace {

using namespace ramie;
using diagnose::cause;
using diagnose::outcome;
using test::attempt;
using test::cgroup_box;
using test::laid_out_child;

constexpr std::size_t page = 4096;
constexpr int ordinary = MAP_PRIVATE | MAP_ANONYMOUS;

#define SKIP_WITH(what, why)                                      \
  do {                                                            \
    std::cout << "skipped: " << what << ": " << why << std::endl; \
    GTEST_SKIP();                                                 \
  } while (false)

bool owns_machine() { return std::getenv("RAMIE_TEST_OWNS_MACHINE") != nullptr; }

std::string failed(const char* call) { return std::string(call) + ": " + std::strerror(errno); }

void expect_named(const diagnose::report& about, cause wanted, outcome told) {
  ASSERT_TRUE(about.readable()) << about.facts.refused << ": " << std::strerror(about.facts.error);
  EXPECT_EQ(word_for(about.fork.fork), word_for(told));
  EXPECT_EQ(code_for(about.fork.decisive().what), code_for(wanted)) << about.fork.decisive().why;
  std::string code = "fork." + std::string(code_for(wanted));
  bool found = false;
  for (const diagnose::finding& f : about.findings) {
    if (f.code != code) continue;
    found = true;
    EXPECT_FALSE(f.cure.empty());
    std::cout << "named: " << f.what << std::endl;
  }
  EXPECT_TRUE(found) << "no finding " << code;
}

class system_setting {
 public:
  system_setting(std::string path, const std::string& value)
      : path_(std::move(path)), before_(os::read_text(path_).text) {
    std::ofstream file(path_);
    file << value << std::flush;
    set_ = file.good();
  }
  ~system_setting() { std::ofstream(path_) << before_ << std::flush; }
  bool set() const { return set_; }

 private:
  std::string path_, before_;
  bool set_ = false;
};

std::string map_merged(std::size_t total) {
  void* reserved = mmap(nullptr, total, PROT_NONE, ordinary | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return failed("mmap");
  std::size_t piece = total / 8 / page * page;
  for (std::size_t i = 0; i != 8; ++i) {
    void* at =
        mmap(static_cast<char*>(reserved) + i * piece, piece, PROT_READ | PROT_WRITE, ordinary | MAP_FIXED, -1, 0);
    if (at == MAP_FAILED) return failed("mmap");
  }
  return {};
}

TEST(injected, a_merged_mapping_larger_than_ram_and_swap) {
  os::machine machine = os::read_machine({});
  if (machine.overcommit_mode != 0) SKIP_WITH("largest mapping", "vm.overcommit_memory is not 0");
  laid_out_child child([&] { return map_merged((machine.memory + machine.swap) / 2 * 3); });
  ASSERT_EQ(child.refused(), "");
  expect_named(diagnose::examine({}, child.pid(), {}), cause::largest_mapping, outcome::fails);
  EXPECT_EQ(child.fork().error, ENOMEM);
  EXPECT_TRUE(child.vfork().worked());
  EXPECT_TRUE(child.spawn().worked());
}

TEST(injected, commitments_over_the_limit) {
  os::machine machine = os::read_machine({});
  std::optional<system_setting> mode;
  if (machine.overcommit_mode != 2) {
    if (!owns_machine())
      SKIP_WITH("commit sum", "vm.overcommit_memory is not 2, and it is a setting of the whole machine");
    mode.emplace("/proc/sys/vm/overcommit_memory", "2");
    ASSERT_TRUE(mode->set());
    machine = os::read_machine({});
  }
  std::size_t room = machine.commit_limit - machine.committed;
  laid_out_child child([&] { return map_merged(room / 10 * 7); });
  ASSERT_EQ(child.refused(), "");
  expect_named(diagnose::examine({}, child.pid(), {}), cause::commit_sum, outcome::fails);
  EXPECT_EQ(child.fork().error, ENOMEM);
  EXPECT_TRUE(child.vfork().worked());
}

void limit_tasks(bool above) {
  cgroup_box outer("pids", "ramie-outer");
  if (!outer.refused().empty()) SKIP_WITH("pids.max", outer.refused());
  cgroup_box inner("pids", "ramie-inner", &outer);
  if (!inner.refused().empty()) SKIP_WITH("pids.max", inner.refused());
  laid_out_child child([&] { return inner.enter(getpid()) ? "" : failed("cgroup.procs"); });
  if (!child.refused().empty()) SKIP_WITH("pids.max", child.refused());
  ASSERT_TRUE((above ? outer : inner).put("pids.max", "1"));
  expect_named(diagnose::examine({}, child.pid(), {}), above ? cause::pids_cgroup_ancestor : cause::pids_cgroup,
               outcome::fails);
  EXPECT_EQ(child.fork().error, EAGAIN);
  EXPECT_EQ(child.vfork().error, EAGAIN);
  EXPECT_EQ(child.spawn().error, EAGAIN);
  ASSERT_TRUE((above ? outer : inner).put("pids.max", "max"));
  EXPECT_TRUE(child.fork().worked()) << "the cure";
}

TEST(injected, pids_max_of_its_own_cgroup) { limit_tasks(false); }
TEST(injected, pids_max_of_a_cgroup_above) { limit_tasks(true); }

TEST(injected, the_limit_on_processes_of_a_user) {
  if (geteuid() != 0) SKIP_WITH("RLIMIT_NPROC", "becoming another user needs root");
  constexpr unsigned user = 61234;
  laid_out_child child([] {
    rlimit limit{1, 1};
    if (setrlimit(RLIMIT_NPROC, &limit) != 0) return failed("setrlimit");
    return setresuid(user, user, user) == 0 ? "" : failed("setresuid");
  });
  ASSERT_EQ(child.refused(), "");
  expect_named(diagnose::examine({}, child.pid(), {}), cause::user_processes, outcome::fails);
  EXPECT_EQ(child.fork().error, EAGAIN);
  EXPECT_EQ(child.vfork().error, EAGAIN);
  EXPECT_EQ(child.spawn().error, EAGAIN);
}

// In a pid namespace of its own, which has a pid_max of its own since Linux 6.14, filled to the last id. The doctor
// looks from inside, as it would in a container.
struct seen_inside {
  bool laid_out = false;
  bool named = false;
  bool fork_failed = false;
  int error = 0;
};

seen_inside fill_process_ids() {
  seen_inside result;
  std::ofstream limit("/proc/sys/kernel/pid_max");
  limit << 301 << std::flush;
  if (!limit.good()) return result;
  for (int i = 0; i != 400; ++i) {
    pid_t child = fork();
    if (child == 0) {
      pause();
      _exit(0);
    }
    if (child < 0) break;
  }
  result.laid_out = true;
  diagnose::report about = diagnose::examine({}, getpid(), {});
  result.named =
      about.readable() && about.fork.fork == outcome::fails && about.fork.decisive().what == cause::machine_tasks;
  if (!result.named) std::cerr << "told: " << about.fork.decisive().why << std::endl;
  attempt tried = test::try_fork();
  result.fork_failed = !tried.worked();
  result.error = tried.error;
  return result;
}

// Runs as the first process of a new pid namespace: all that it forks ends with it.
[[noreturn]] void live_in_namespace(int answer) {
  if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) _exit(1);
  pid_t init = fork();
  if (init == 0) {
    alarm(60);
    bool mounted = mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                   mount("proc", "/proc", "proc", 0, nullptr) == 0;
    seen_inside result;
    if (mounted) result = fill_process_ids();
    _exit(write(answer, &result, sizeof result) == sizeof result ? 0 : 1);
  }
  waitpid(init, nullptr, 0);
  _exit(init < 0 ? 1 : 0);
}

TEST(injected, process_ids_used_up) {
  os::machine machine = os::read_machine({});
  if (geteuid() != 0) SKIP_WITH("pid_max", "a pid namespace needs root");
  if (!machine.kernel.at_least(6, 14))
    SKIP_WITH("pid_max", "before Linux 6.14 it is one setting for the whole machine");
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  pid_t child = fork();
  if (child == 0) live_in_namespace(ends[1]);
  close(ends[1]);
  seen_inside result;
  ssize_t got = read(ends[0], &result, sizeof result);
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (got != sizeof result || !result.laid_out) SKIP_WITH("pid_max", "no pid namespace with a pid_max of its own here");
  EXPECT_TRUE(result.named);
  EXPECT_TRUE(result.fork_failed);
  EXPECT_EQ(result.error, EAGAIN);
}

TEST(injected, threads_max_used_up) {
  if (!owns_machine()) SKIP_WITH("threads-max", "it is a setting of the whole machine");
  os::machine machine = os::read_machine({});
  laid_out_child child([] { return std::string(); });
  laid_out_child doctor_place([] { return std::string(); });
  // The kernel takes no less than 20; where fewer tasks run there is nothing to use up.
  if (machine.tasks < 20) SKIP_WITH("threads-max", "only " << machine.tasks << " tasks run, and the least limit is 20");
  system_setting limit("/proc/sys/kernel/threads-max", std::to_string(os::read_machine({}).tasks));
  if (!limit.set()) SKIP_WITH("threads-max", "cannot be written");
  expect_named(diagnose::examine({}, child.pid(), {}), cause::machine_tasks, outcome::fails);
  EXPECT_EQ(child.fork().error, EAGAIN);
}

TEST(injected, a_pid_namespace_whose_init_has_died) {
  if (geteuid() != 0) SKIP_WITH("dead pid namespace", "a pid namespace needs root");
  laid_out_child child([] {
    if (unshare(CLONE_NEWPID) != 0) return failed("unshare");
    return test::try_fork().worked() ? std::string() : failed("fork");
  });
  if (!child.refused().empty()) SKIP_WITH("dead pid namespace", child.refused());
  expect_named(diagnose::examine({}, child.pid(), {}), cause::dead_pid_namespace, outcome::fails);
  EXPECT_EQ(child.fork().error, ENOMEM);
  EXPECT_EQ(child.vfork().error, ENOMEM);
  EXPECT_EQ(child.spawn().error, ENOMEM);
}

TEST(injected, an_unshared_pid_namespace_without_a_child_yet_is_fine) {
  if (geteuid() != 0) SKIP_WITH("pid namespace", "a pid namespace needs root");
  laid_out_child child([] { return unshare(CLONE_NEWPID) == 0 ? std::string() : failed("unshare"); });
  if (!child.refused().empty()) SKIP_WITH("pid namespace", child.refused());
  diagnose::report about = diagnose::examine({}, child.pid(), {});
  EXPECT_EQ(about.fork.fork, outcome::works) << about.fork.decisive().why;
  EXPECT_TRUE(child.fork().worked());
}

// One page in each 2 MiB: as many page tables as pages, 24 MiB of each.
std::string touch_sparsely(std::size_t tables) {
  constexpr std::size_t reach = 2 * 1024 * 1024;
  void* at = mmap(nullptr, tables * reach, PROT_READ | PROT_WRITE, ordinary | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return failed("mmap");
  if (madvise(at, tables * reach, MADV_NOHUGEPAGE) != 0) return failed("madvise");
  for (std::size_t i = 0; i != tables; ++i) static_cast<char*>(at)[i * reach] = 1;
  return {};
}

void live_in_small_group(const cgroup_box& box, std::uint64_t headroom, outcome told) {
  laid_out_child child([&] { return box.enter(getpid()) ? touch_sparsely(6144) : failed("cgroup.procs"); });
  if (!child.refused().empty()) SKIP_WITH("memory cgroup", child.refused());
  bool unified = box.unified();
  std::uint64_t used = os::number_in(box.get(unified ? "memory.current" : "memory.usage_in_bytes"));
  ASSERT_TRUE(box.put(unified ? "memory.max" : "memory.limit_in_bytes", std::to_string(used + headroom)));
  diagnose::report about = diagnose::examine({}, child.pid(), {});
  if (told == outcome::killed)
    expect_named(about, cause::memory_cgroup, told);
  else
    EXPECT_EQ(word_for(about.fork.fork), word_for(told)) << about.fork.decisive().why;
  EXPECT_TRUE(child.vfork().worked());
  EXPECT_TRUE(child.spawn().worked());
  EXPECT_EQ(child.fork().killed, told == outcome::killed);
}

TEST(injected, a_memory_cgroup_that_kills_while_page_tables_are_copied) {
  if (geteuid() != 0) SKIP_WITH("memory cgroup", "needs root");
  cgroup_box box("memory", "ramie-memory");
  if (!box.refused().empty()) SKIP_WITH("memory cgroup", box.refused());
  live_in_small_group(box, 4 * 1024 * 1024, outcome::killed);
}

TEST(injected, a_memory_cgroup_with_room_for_the_page_tables_is_fine) {
  if (geteuid() != 0) SKIP_WITH("memory cgroup", "needs root");
  cgroup_box box("memory", "ramie-memory");
  if (!box.refused().empty()) SKIP_WITH("memory cgroup", box.refused());
  live_in_small_group(box, 64 * 1024 * 1024, outcome::works);
}

}  // namespace
