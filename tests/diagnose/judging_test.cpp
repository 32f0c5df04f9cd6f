// Judging: patterns among mappings, limits nearby, sharing, trends, and rules of kernels that are not here to ask.
#include "diagnose/child.hpp"
#include "diagnose/report.hpp"
#include "diagnose/sharing.hpp"
#include "diagnose/trend.hpp"
#include "diagnose/words.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace {

using namespace ramie;
using diagnose::outcome;
using test::laid_out_child;

constexpr std::size_t page = 4096;

std::string line(std::uint64_t start, std::uint64_t end, const char* access, const char* name = "") {
  char text[256];
  std::snprintf(text, sizeof text, "%lx-%lx %s 00000000 00:00 0 %s\n", start, end, access, name);
  return text;
}

diagnose::process_facts facts_of(std::string maps) {
  diagnose::process_facts facts;
  facts.maps = os::parse_maps(std::move(maps));
  facts.status.threads = 1;
  return facts;
}

std::string pool_of_stacks(std::size_t count, std::size_t stack, std::uint64_t base = 0x7f0000000000) {
  std::string text;
  for (std::size_t i = 0; i != count; ++i) {
    std::uint64_t at = base + i * (stack + page);
    text += line(at, at + page, "---p") + line(at + page, at + page + stack, "rw-p");
  }
  return text;
}

TEST(patterns, ruby_at_its_limit_is_recognised) {
  diagnose::process_facts facts = facts_of(pool_of_stacks(31744, 160 * 1024));
  diagnose::mapping_summary summary = diagnose::summarize_mappings(facts, 65530);
  ASSERT_EQ(summary.stacks.size(), 1U);
  EXPECT_EQ(summary.stacks[0].count, 31744U);
  EXPECT_EQ(summary.stacks[0].fails_at, 32765U);
  EXPECT_EQ(summary.stacks[0].kind, diagnose::stack_kind::fibers);
  EXPECT_EQ(summary.count, 63488U);
}

TEST(patterns, ruby_makes_a_thousand_at_once_or_none) {
  std::string ruby = line(0x1000, 0x2000, "r-xp", "/usr/lib/libruby-3.1.so.3.1.2");
  auto at = [&](std::size_t count) {
    return diagnose::summarize_mappings(facts_of(ruby + pool_of_stacks(count, 160 * 1024)), 65530).stacks[0].fails_at;
  };
  EXPECT_EQ(at(20480), 31744U);
  EXPECT_EQ(at(31744), 31744U);
}

TEST(patterns, as_many_as_threads_are_thread_stacks) {
  diagnose::process_facts facts = facts_of(pool_of_stacks(40, 8 * 1024 * 1024));
  facts.status.threads = 38;
  diagnose::mapping_summary summary = diagnose::summarize_mappings(facts, 65530);
  ASSERT_EQ(summary.stacks.size(), 1U);
  EXPECT_EQ(summary.stacks[0].kind, diagnose::stack_kind::threads);
}

TEST(patterns, a_few_guards_are_no_pattern_and_two_sizes_are_two) {
  EXPECT_TRUE(diagnose::summarize_mappings(facts_of(pool_of_stacks(7, 65536)), 65530).stacks.empty());
  diagnose::process_facts both = facts_of(pool_of_stacks(100, 65536) + pool_of_stacks(50, 131072, 0x7f8000000000));
  diagnose::mapping_summary summary = diagnose::summarize_mappings(both, 65530);
  ASSERT_EQ(summary.stacks.size(), 2U);
  EXPECT_EQ(summary.stacks[0].count, 100U);
  EXPECT_EQ(summary.stacks[1].count, 50U);
}

TEST(patterns, malloc_arenas_are_no_stacks) {
  std::string text;
  for (std::uint64_t i = 0; i != 20; ++i) {
    std::uint64_t at = 0x7f0000000000 + i * 0x4000000;
    text += line(at, at + 0x21000, "rw-p") + line(at + 0x21000, at + 0x4000000, "---p");
  }
  diagnose::mapping_summary summary = diagnose::summarize_mappings(facts_of(text), 65530);
  EXPECT_EQ(summary.arenas, 20U);
  EXPECT_TRUE(summary.stacks.empty());
}

TEST(patterns, neighbours_that_look_alike_are_counted_and_vsyscall_is_not) {
  diagnose::process_facts facts =
      facts_of(line(0x1000, 0x2000, "rw-p") + line(0x2000, 0x3000, "rw-p") + line(0x3000, 0x4000, "r--p") +
               line(0x5000, 0x6000, "r--p") + line(0xffffffffff600000, 0xffffffffff601000, "--xp", "[vsyscall]"));
  diagnose::mapping_summary summary = diagnose::summarize_mappings(facts, 65530);
  EXPECT_EQ(summary.alike_neighbours, 1U);
  EXPECT_EQ(summary.count, 4U);
}

// The promise of `fails_at`, kept by the kernel: that many stacks can be made and not one more. The child makes an
// eighth, is judged, and makes the rest when it gets a signal.
struct pool {
  std::size_t made;
  std::size_t go_on;
};

std::size_t make_stacks(char* base, std::size_t from, std::size_t to) {
  while (from != to && mprotect(base + from * 2 * page, page, PROT_NONE) == 0) ++from;
  return from;
}

TEST(patterns, creation_fails_where_it_was_foretold) {
  os::machine machine = os::read_machine({});
  if (machine.max_map_count > 1000000) {
    std::cout << "skipped: creation at the limit: vm.max_map_count is " << machine.max_map_count << std::endl;
    GTEST_SKIP();
  }
  void* shared = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  auto* state = static_cast<pool*>(shared);
  std::size_t most = machine.max_map_count;
  laid_out_child child([&]() -> std::string {
    void* at =
        mmap(nullptr, most * 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return std::strerror(errno);
    char* base = static_cast<char*>(at);
    state->made = make_stacks(base, 0, most / 8);
    static char* pool_base;
    static pool* pool_state;
    static std::size_t pool_most;
    pool_base = base;
    pool_state = state;
    pool_most = most;
    struct sigaction more {};
    more.sa_handler = [](int) {
      pool_state->made = make_stacks(pool_base, pool_state->made, pool_most);
      __atomic_store_n(&pool_state->go_on, 1, __ATOMIC_RELEASE);
    };
    return sigaction(SIGUSR1, &more, nullptr) == 0 ? "" : std::strerror(errno);
  });
  ASSERT_EQ(child.refused(), "");
  diagnose::report about = diagnose::examine({}, child.pid(), {});
  ASSERT_EQ(about.mappings.stacks.size(), 1U);
  EXPECT_EQ(about.mappings.stacks[0].count, most / 8);
  kill(child.pid(), SIGUSR1);
  for (int tries = 0; tries != 3000 && __atomic_load_n(&state->go_on, __ATOMIC_ACQUIRE) == 0; ++tries) usleep(10000);
  EXPECT_EQ(state->made, about.mappings.stacks[0].fails_at);
  std::cout << "foretold and made: " << state->made << std::endl;
  munmap(shared, page);
}

os::machine machine_of(int mode, const char* kernel = "6.1.0") {
  os::machine machine;
  constexpr std::uint64_t gib = 1 << 30;
  machine.kernel = os::parse_kernel_version(kernel);
  machine.overcommit_mode = mode;
  machine.memory = 16 * gib;
  machine.swap = 0;
  machine.memory_free = 2 * gib;
  machine.file_pages = 3 * gib;
  machine.commit_limit = 8 * gib;
  machine.committed = 4 * gib;
  machine.admin_reserve = 8 << 20;
  machine.user_reserve = 128 << 20;
  return machine;
}

// One accounted mapping of so many GiB, as smaps shows it.
diagnose::process_facts holding(std::uint64_t gibibytes, const char* flags = "rd wr mr mw me ac sd") {
  diagnose::process_facts facts;
  facts.maps = os::parse_smaps(line(0x100000000, 0x100000000 + (gibibytes << 30), "rw-p") +
                               "Rss: 4 kB\nVmFlags: " + flags + " \n");
  facts.status.address_space = gibibytes << 30;
  return facts;
}

TEST(overcommit, mode_1_never_refuses) {
  EXPECT_EQ(diagnose::judge_overcommit(holding(1000), machine_of(1)).fork, outcome::works);
}

TEST(overcommit, mode_0_compares_the_largest_with_ram_and_swap) {
  EXPECT_EQ(diagnose::judge_overcommit(holding(15), machine_of(0)).fork, outcome::works);
  EXPECT_EQ(diagnose::judge_overcommit(holding(16), machine_of(0)).fork, outcome::borderline);
  EXPECT_EQ(diagnose::judge_overcommit(holding(17), machine_of(0)).fork, outcome::fails);
  os::machine with_swap = machine_of(0);
  with_swap.swap = std::uint64_t{4} << 30;
  EXPECT_EQ(diagnose::judge_overcommit(holding(17), with_swap).fork, outcome::works);
}

TEST(overcommit, what_is_not_inherited_or_not_accounted_does_not_count) {
  EXPECT_EQ(diagnose::judge_overcommit(holding(100, "rd wr mr mw me nr sd"), machine_of(0)).fork, outcome::works);
  EXPECT_EQ(diagnose::judge_overcommit(holding(100, "rd wr mr mw me dc ac sd"), machine_of(0)).fork, outcome::works);
}

TEST(overcommit, kernels_before_5_2_compare_with_what_is_free_now) {
  // 2 GiB free and 3 GiB cached: 6 GiB were fine since 5.2 and are not before.
  EXPECT_EQ(diagnose::judge_overcommit(holding(6), machine_of(0, "6.1.0")).fork, outcome::works);
  EXPECT_EQ(diagnose::judge_overcommit(holding(6), machine_of(0, "4.19.0")).fork, outcome::fails);
  EXPECT_EQ(diagnose::judge_overcommit(holding(4), machine_of(0, "3.10.0")).fork, outcome::works);
}

TEST(overcommit, mode_2_adds_everything_up_and_keeps_reserves) {
  EXPECT_EQ(diagnose::judge_overcommit(holding(3), machine_of(2)).fork, outcome::works);
  diagnose::gate over = diagnose::judge_overcommit(holding(5), machine_of(2));
  EXPECT_EQ(over.fork, outcome::fails);
  EXPECT_EQ(over.what, diagnose::cause::commit_sum);
  EXPECT_EQ(over.vfork, outcome::works);
  EXPECT_EQ(over.spawn, outcome::works);
}

TEST(overcommit, mode_2_over_the_limit_already_also_stops_posix_spawn_but_not_a_fork_that_commits_nothing) {
  os::machine machine = machine_of(2);
  machine.committed = machine.commit_limit + (1 << 30);
  diagnose::gate over = diagnose::judge_overcommit(holding(1), machine);
  EXPECT_EQ(over.fork, outcome::fails);
  EXPECT_EQ(over.spawn, outcome::fails);
  EXPECT_EQ(over.vfork, outcome::works);
  EXPECT_EQ(diagnose::judge_overcommit(holding(1, "rd mr dc ac"), machine).fork, outcome::works);
}

TEST(overcommit, the_admin_reserve_is_for_those_with_the_capability) {
  os::machine machine = machine_of(2);
  machine.admin_reserve = std::uint64_t{1} << 30;
  machine.committed = std::uint64_t{7} << 29;  // 3.5 GiB; 8 GiB are the limit
  diagnose::process_facts facts = holding(4);
  EXPECT_EQ(diagnose::judge_overcommit(facts, machine).fork, outcome::fails);
  facts.status.effective_capabilities = std::uint64_t{1} << os::capability_sys_admin;
  EXPECT_EQ(diagnose::judge_overcommit(facts, machine).fork, outcome::works);
}

TEST(overcommit, without_details_only_a_small_layout_is_proved_fine) {
  diagnose::process_facts facts = facts_of(line(0x100000000, 0x100000000 + (std::uint64_t{20} << 30), "---p"));
  EXPECT_EQ(diagnose::judge_overcommit(facts, machine_of(0)).fork, outcome::unknown);
  EXPECT_TRUE(diagnose::details_decide(facts, machine_of(0)));
  EXPECT_FALSE(diagnose::details_decide(facts_of(line(0x1000, 0x2000, "rw-p")), machine_of(0)));
}

TEST(task_limits, root_and_the_privileged_are_exempt_from_the_limit_of_a_user) {
  diagnose::process_facts facts;
  os::machine machine;
  machine.tasks = 100;
  facts.limits.processes = 10;
  facts.tasks_of_user = 10;
  facts.status.real_user = 5;
  EXPECT_EQ(diagnose::judge_user_processes(facts, machine).fork, outcome::fails);
  facts.tasks_of_user = 9;
  EXPECT_EQ(diagnose::judge_user_processes(facts, machine).fork, outcome::works);
  facts.tasks_of_user = 10;
  facts.status.effective_capabilities = std::uint64_t{1} << os::capability_sys_resource;
  EXPECT_EQ(diagnose::judge_user_processes(facts, machine).fork, outcome::works);
}

TEST(task_limits, the_tightest_group_decides) {
  diagnose::process_facts facts;
  facts.pids_cgroups.version = 2;
  facts.pids_cgroups.levels.resize(3);
  facts.pids_cgroups.levels[0].limit = 100;
  facts.pids_cgroups.levels[0].used = 5;
  facts.pids_cgroups.levels[1].limit = 6;
  facts.pids_cgroups.levels[1].used = 5;
  diagnose::gate gate = diagnose::judge_pids_cgroups(facts);
  EXPECT_EQ(gate.what, diagnose::cause::pids_cgroup_ancestor);
  EXPECT_EQ(gate.headroom, 0);
  EXPECT_EQ(gate.fork, outcome::works);
}

TEST(page_tables, neighbours_share_one_and_what_is_excluded_is_not_copied) {
  diagnose::process_facts facts;
  facts.status.page_tables = 1 << 30;
  std::string two_in_one_reach = line(0x40000000, 0x40001000, "rw-p") + "Anonymous: 4 kB\nVmFlags: ac \n" +
                                 line(0x40002000, 0x40003000, "rw-p") + "Anonymous: 4 kB\nVmFlags: ac \n";
  facts.maps =
      os::parse_smaps(two_in_one_reach + line(0x80000000, 0xc0000000, "rw-p") + "Anonymous: 8 kB\nVmFlags: ac \n");
  EXPECT_EQ(diagnose::copied_page_table_bytes(facts), 3U * 4096U);
  facts.maps = os::parse_smaps(line(0x80000000, 0xc0000000, "rw-p") + "Anonymous: 1048576 kB\nVmFlags: ac dc \n");
  EXPECT_EQ(diagnose::copied_page_table_bytes(facts), 0U);
}

TEST(hazards, inherited_rings_and_pinned_memory_are_told) {
  diagnose::process_facts facts;
  facts.maps = os::parse_smaps(line(0x40000000, 0x40001000, "rw-s", "anon_inode:[io_uring]") + "VmFlags: rd wr \n");
  facts.status.pinned = 1 << 20;
  facts.status.threads = 3;
  diagnose::fork_verdict verdict = diagnose::judge_fork(facts, machine_of(0));
  std::string codes;
  for (const diagnose::hazard& h : verdict.hazards) codes += h.code + " ";
  EXPECT_EQ(codes, "threads ring_inherited pinned ");
}

TEST(findings, a_process_near_its_limit_of_mappings_is_told_what_to_type) {
  diagnose::report about;
  about.machine = machine_of(0);
  about.machine.max_map_count = 65530;
  about.facts = facts_of(pool_of_stacks(31744, 160 * 1024));
  diagnose::conclude(about, {});
  ASSERT_EQ(about.findings.size(), 1U);
  EXPECT_EQ(about.findings[0].code, "mappings");
  EXPECT_NE(about.findings[0].what.find("31,744 fiber stacks take two each"), std::string::npos)
      << about.findings[0].what;
  EXPECT_NE(about.findings[0].what.find("creation fails at 32,765"), std::string::npos) << about.findings[0].what;
  EXPECT_EQ(about.findings[0].cure.rfind("sysctl -w vm.max_map_count=262120", 0), 0U) << about.findings[0].cure;
}

TEST(findings, a_fine_process_has_none) {
  laid_out_child child([] { return std::string(); });
  diagnose::report about = diagnose::examine({}, child.pid(), {});
  ASSERT_TRUE(about.readable());
  EXPECT_TRUE(about.findings.empty()) << about.findings.front().what;
}

// A parent with 8 MiB that are written, and a child that writes 3 of them again.
TEST(sharing, what_a_child_has_written_is_broken_sharing) {
  constexpr std::size_t mebibyte = 1 << 20;
  laid_out_child parent([]() -> std::string {
    void* at = mmap(nullptr, 8 * mebibyte, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || madvise(at, 8 * mebibyte, MADV_NOHUGEPAGE) != 0) return std::strerror(errno);
    std::memset(at, 1, 8 * mebibyte);
    if (fork() == 0) {
      alarm(60);
      std::memset(at, 2, 3 * mebibyte);
      static_cast<volatile char*>(at)[0] = 3;
      for (;;) pause();
    }
    return {};
  });
  std::vector<int> family;
  for (int tries = 0; tries != 200 && family.size() != 2; ++tries, usleep(10000))
    family = diagnose::find_family({}, parent.pid());
  ASSERT_EQ(family.size(), 2U);
  std::vector<diagnose::process_sharing> rows;
  for (int tries = 0; tries != 200; ++tries, usleep(10000)) {
    rows = diagnose::read_sharing({}, family);
    if (rows[1].broken >= 3 * mebibyte) break;
  }
  EXPECT_GE(rows[1].broken, 3 * mebibyte);
  EXPECT_LT(rows[1].broken, 4 * mebibyte);
  EXPECT_GE(rows[1].shared, 4 * mebibyte);
  ASSERT_FALSE(rows[1].breakers.empty());
  EXPECT_GE(rows[1].breakers[0].private_dirty, 3 * mebibyte);
  kill(family[1], SIGKILL);
}

TEST(a_trend, tells_when_a_limit_is_met) {
  diagnose::trend growth;
  EXPECT_FALSE(growth.seconds_until(100).has_value());
  for (int i = 0; i != 10; ++i) growth.add(i, 10 + 2 * i);
  EXPECT_NEAR(growth.rate(), 2, 1e-9);
  EXPECT_NEAR(*growth.seconds_until(128), 50, 1e-6);
  EXPECT_EQ(*growth.seconds_until(5), 0);
  for (int i = 10; i != 50; ++i) growth.add(i, 7);
  EXPECT_FALSE(growth.seconds_until(128).has_value());
}

TEST(words, numbers_read_as_people_write_them) {
  EXPECT_EQ(diagnose::grouped(0), "0");
  EXPECT_EQ(diagnose::grouped(999), "999");
  EXPECT_EQ(diagnose::grouped(31744), "31,744");
  EXPECT_EQ(diagnose::grouped(18446744073709551615U), "18,446,744,073,709,551,615");
  EXPECT_EQ(diagnose::size_text(0), "0 B");
  EXPECT_EQ(diagnose::size_text(4096), "4 KiB");
  EXPECT_EQ(diagnose::size_text(25276510208), "23.5 GiB");
  EXPECT_EQ(diagnose::signed_size_text(-1048576), "-1 MiB");
  EXPECT_EQ(diagnose::percent_text(0.9861), "99 %");
  EXPECT_EQ(diagnose::percent_text(0.0000001), "<0.1 %");
  EXPECT_EQ(diagnose::milliseconds_text(0.1, 0.2), "under 1 ms");
  EXPECT_EQ(diagnose::milliseconds_text(24.2, 48.3), "24-48 ms");
}

}  // namespace
