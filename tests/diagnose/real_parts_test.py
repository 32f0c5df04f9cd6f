#!/usr/bin/env python3
"""The doctor on programs that people run: Redis, Ruby, PostgreSQL, a Java machine. Each is brought to its limit, the doctor
foretells, the program then fails that way, and works again after the cure. What is not installed is skipped.

usage: real_parts_test.py PROGRAM [ARGUMENT...]
"""
import glob
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

doctor = sys.argv[1:]
memory = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in pathlib.Path("/proc/meminfo").read_text().splitlines()}


def examine(pid, *options):
    done = subprocess.run([*doctor, "--json", *options, str(pid)], capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout), done.returncode


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"no {what} after {seconds} s")


def finding(report, code):
    found = [f for f in report["findings"] if f["code"] == code]
    assert found, f"no {code} in {report['findings']}"
    print(f"  told: {found[0]['what']}\n  do:   {found[0]['cure']}", flush=True)
    return found[0]


class Group:
    """A cgroup of the test's own in the pids or the memory controller; None-like when the machine has none."""

    def __init__(self, controller):
        root = pathlib.Path("/sys/fs/cgroup") / controller
        if not root.is_dir():
            root = root.parent
            (root / "cgroup.subtree_control").write_text(f"+{controller}")
        self.path = root / f"ramie-real-{os.getpid()}"
        self.path.mkdir()

    def enter(self, pid):
        (self.path / "cgroup.procs").write_text(str(pid))

    def start(self, begin):
        """What begin() starts is born in the group, and all of its children."""
        self.enter(os.getpid())
        try:
            return begin()
        finally:
            (self.path.parent / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self):
        def gone():
            for pid in (self.path / "cgroup.procs").read_text().split():
                try:
                    (self.path.parent / "cgroup.procs").write_text(pid)
                except OSError:
                    pass  # it has ended
            try:
                self.path.rmdir()
                return True
            except OSError:
                return False
        wait_for("empty cgroup", gone, 10)


class RealParts(unittest.TestCase):
    def skip(self, what, why):
        print(f"\nskipped: {what}: {why}", flush=True)
        self.skipTest(why)

    def need(self, what, program):
        found = shutil.which(program)
        if not found:
            self.skip(what, f"{program} is not installed")
        return found

    def group(self, what, controller):
        try:
            box = Group(controller)
        except OSError as refusal:
            self.skip(what, f"no {controller} cgroup of our own: {refusal}")
        self.addCleanup(box.remove)
        return box

    def start(self, *command, **options):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child

    def folder(self, owner=None):
        folder = tempfile.mkdtemp(prefix="ramie-real-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        if owner is not None:
            os.chown(folder, owner, -1)
        return folder

    # --- Redis -------------------------------------------------------------------------------------------------------

    def redis(self):
        server = self.need("Redis", "redis-server")
        self.port = str(free_port())
        self.home = self.folder()
        child = self.start(server, "--port", self.port, "--bind", "127.0.0.1", "--dir", self.home, "--save", "", "--enable-debug-command", "yes",
                           "--logfile", "redis.log")
        wait_for("Redis", lambda: "PONG" in self.ask_redis("ping"))
        return child

    def ask_redis(self, *words):
        return subprocess.run(["redis-cli", "-p", self.port, *words], capture_output=True, text=True, timeout=60).stdout.strip()

    def save(self):
        """What Redis says of a background save, and whether it worked."""
        log = pathlib.Path(self.home, "redis.log")
        before = log.stat().st_size
        self.ask_redis("bgsave")
        wait_for("end of the save", lambda: "rdb_bgsave_in_progress:0" in self.ask_redis("info", "persistence"))
        answer = log.read_text()[before:].strip().splitlines()[0].split(" ", 5)[-1]
        return answer, "rdb_last_bgsave_status:ok" in self.ask_redis("info", "persistence")

    def test_redis_cannot_save_when_one_mapping_is_larger_than_ram(self):
        if pathlib.Path("/proc/sys/vm/overcommit_memory").read_text().strip() != "0":
            self.skip("Redis, largest mapping", "vm.overcommit_memory is not 0")
        gdb = self.need("Redis, largest mapping", "gdb")
        child = self.redis()
        self.ask_redis("debug", "populate", "10000")
        self.assertEqual(examine(child.pid)[0]["fork"]["fork"], "works")
        self.assertTrue(self.save()[1])
        # Address space instead of a data set of that size: pieces that the kernel merges, as jemalloc's do.
        piece = (memory["MemTotal"] + memory["SwapTotal"]) // 4 // 4096 * 4096
        base = 0x100000000000
        calls = [f"call (void*) mmap({base + i * piece}, {piece}, 3, 0x100022, -1, 0)" for i in range(6)]
        subprocess.run([gdb, "-p", str(child.pid), "-batch", *sum((["-ex", c] for c in calls), [])], capture_output=True, timeout=120)
        report, status = examine(child.pid)
        self.assertEqual((report["fork"]["fork"], status), ("fails", 1))
        finding(report, "fork.largest_mapping")
        answer, saved = self.save()
        print(f"  Redis: {answer}")
        self.assertFalse(saved)
        # The cure that the doctor names for the program: keep it out of the child.
        cure = [f"call (int) madvise({base}, {piece * 6}, 10)"]
        subprocess.run([gdb, "-p", str(child.pid), "-batch", "-ex", cure[0]], capture_output=True, timeout=120)
        self.assertEqual(examine(child.pid)[0]["fork"]["fork"], "works")
        self.assertTrue(self.save()[1])
        print("  Redis: saved after madvise(MADV_DONTFORK)")

    def test_redis_cannot_save_when_its_group_has_no_task_left(self):
        child = self.redis()
        box = self.group("Redis, pids.max", "pids")
        box.enter(child.pid)
        threads = len(os.listdir(f"/proc/{child.pid}/task"))
        (box.path / "pids.max").write_text(str(threads))
        report, status = examine(child.pid)
        self.assertEqual((report["fork"]["fork"], report["fork"]["posix_spawn"], status), ("fails", "fails", 1))
        finding(report, "fork.pids_cgroup")
        answer, saved = self.save()
        print(f"  Redis: {answer}")
        self.assertFalse(saved)
        (box.path / "pids.max").write_text(str(threads * 2))
        self.assertEqual(examine(child.pid)[0]["fork"]["fork"], "works")
        self.assertTrue(self.save()[1])
        print("  Redis: saved after pids.max was doubled")

    def test_redis_forks_about_as_fast_as_estimated(self):
        child = self.redis()
        self.ask_redis("debug", "populate", "1000000", "key", "100")
        cost = examine(child.pid)[0]["fork"]["cost"]
        measured = []
        for _ in range(5):
            self.assertTrue(self.save()[1])
            line = next(line for line in self.ask_redis("info", "stats").splitlines() if line.startswith("latest_fork_usec"))
            measured.append(int(line.split(":")[1]) / 1000)
        print(f"  {cost['small_pages']:,} pages: estimated {cost['least_ms']:.1f}-{cost['most_ms']:.1f} ms, Redis measured", measured)

    # --- Ruby --------------------------------------------------------------------------------------------------------

    def test_ruby_stops_at_the_number_of_fibers_that_was_foretold(self):
        ruby = self.need("Ruby", "ruby")
        limit = int(pathlib.Path("/proc/sys/vm/max_map_count").read_text())
        if limit != 65530:
            self.skip("Ruby", f"vm.max_map_count is {limit} and not 65530")
        if memory["MemAvailable"] < 2 << 30:
            self.skip("Ruby", "less than 2 GiB are available")
        child = self.start(ruby, "-e", """
          $stdout.sync = true
          fibers = []
          begin
            loop do
              fiber = Fiber.new { Fiber.yield }
              fiber.resume
              fibers << fiber
              if fibers.size == 20_000 then puts "half"; $stdin.gets end
            end
          rescue FiberError => error
            puts "#{fibers.size} #{error.message}"
          end
          $stdin.gets
        """, stdin=subprocess.PIPE)
        self.addCleanup(child.stdin.close)
        self.assertEqual(child.stdout.readline(), "half\n")
        foretold = examine(child.pid)[0]["mappings"]["stacks"][0]
        child.stdin.write("\n")
        child.stdin.flush()
        count, message = child.stdout.readline().split(" ", 1)
        print(f"  at 20,000 fibers told: at {foretold['fails_at']:,} creation fails; Ruby stopped at {int(count):,}: {message.strip()}")
        self.assertEqual(int(count), foretold["fails_at"])
        self.assertIn("can't set a guard page: Cannot allocate memory", message)
        report, status = examine(child.pid)
        self.assertEqual(status, 1)
        self.assertEqual(finding(report, "mappings")["level"], "failing")
        self.assertEqual(report["mappings"]["stacks"][0]["count"], int(count))

    # --- PostgreSQL --------------------------------------------------------------------------------------------------

    def test_postgresql_cannot_take_a_connection_when_its_group_has_no_task_left(self):
        homes = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not homes:
            self.skip("PostgreSQL", "it is not installed")
        if os.geteuid() != 0:
            self.skip("PostgreSQL", "needs root to start it as another user")
        home, user = homes[-1], pwd.getpwnam("nobody").pw_uid
        folder = self.folder(user)
        data = folder + "/data"
        subprocess.run([home + "/initdb", "-D", data, "-U", "ramie", "-A", "trust"], user=user, check=True, capture_output=True, cwd=folder)
        port = str(free_port())
        box = self.group("PostgreSQL", "pids")
        child = box.start(lambda: self.start(home + "/postgres", "-D", data, "-p", port, "-k", folder, "-h", "127.0.0.1", "-c", "autovacuum=off",
                                             user=user, cwd=folder))

        def query():
            return subprocess.run([home + "/psql", "-h", "127.0.0.1", "-p", port, "-U", "ramie", "-d", "postgres", "-Atc", "select 42"],
                                  capture_output=True, text=True, timeout=60, env={**os.environ, "PGSSLMODE": "disable"})

        wait_for("PostgreSQL", lambda: query().stdout == "42\n")
        family = json.loads(subprocess.run([*doctor, "--json", "--cow", str(child.pid)], capture_output=True, text=True, timeout=60).stdout)["family"]
        self.assertGreater(len(family), 3)
        print("  family of", len(family), "shares", sum(f["shared_bytes"] for f in family) >> 20, "MiB, has broken",
              sum(f["broken_sharing_bytes"] for f in family) >> 20, "MiB")
        (box.path / "pids.max").write_text("3")  # below what runs: workers come and go
        report, status = examine(child.pid)
        self.assertEqual((report["fork"]["fork"], status), ("fails", 1))
        finding(report, "fork.pids_cgroup")
        refused = query()
        self.assertNotEqual(refused.returncode, 0)
        print("  PostgreSQL:", refused.stderr.strip().splitlines()[-1])
        self.assertIn("Resource temporarily unavailable", refused.stderr)
        (box.path / "pids.max").write_text(str(len(family) + 20))
        self.assertEqual(query().stdout, "42\n")

    # --- a Java machine ----------------------------------------------------------------------------------------------

    def test_a_java_machine_cannot_start_a_thread_when_its_group_has_no_task_left(self):
        java = self.need("Java", "java")
        folder = self.folder()
        source = pathlib.Path(folder) / "Threads.java"
        source.write_text("""
          public class Threads {
            static void start() {
              Thread t = new Thread(() -> { try { Thread.sleep(600000); } catch (InterruptedException e) {} });
              t.setDaemon(true);
              t.start();
            }
            public static void main(String[] a) throws Exception {
              for (int i = 0; i < 200; ++i) start();
              System.out.println("ready");
              System.in.read();
              try { for (int i = 0; i < 100; ++i) start(); System.out.println("started"); }
              catch (OutOfMemoryError e) { System.out.println(e.getMessage()); }
              System.in.read();
            }
          }
        """)
        # Threads of its own that come and go would change the number of tasks while we look.
        steady = ["-XX:+UseSerialGC", "-XX:-UseDynamicNumberOfCompilerThreads"]
        child = self.start(java, "-Xmx64m", *steady, str(source), stdin=subprocess.PIPE)
        self.addCleanup(child.stdin.close)
        line = child.stdout.readline()
        if line != "ready\n":
            self.skip("Java", "it cannot run a source file: " + line.strip())
        box = self.group("Java", "pids")
        box.enter(child.pid)
        tasks = len(os.listdir(f"/proc/{child.pid}/task"))
        (box.path / "pids.max").write_text(str(tasks + 5))
        report, status = examine(child.pid)
        kinds = [(s["kind"], s["count"]) for s in report["mappings"]["stacks"]]
        print(f"  {tasks} threads; stacks seen: {kinds}; {report['mappings']['count']} mappings")
        self.assertEqual(status, 1)  # 98 % of the group's tasks are used
        self.assertIn("threads", [kind for kind, _ in kinds])
        finding(report, "limit.cgroup_pids")
        child.stdin.write("\n")
        child.stdin.flush()
        lines = []
        while True:
            lines.append(child.stdout.readline().strip())
            if lines[-1] == "started" or "unable to create native thread" in lines[-1] and not lines[-1].startswith("["):
                break
        print("  Java:", lines[-1])
        self.assertIn("unable to create native thread", lines[-1])


unittest.main(argv=[sys.argv[0]], verbosity=2)
