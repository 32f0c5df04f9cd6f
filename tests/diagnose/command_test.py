#!/usr/bin/env python3
"""The doctor as a command: exit statuses, JSON against its schema, metrics, --exec, --watch, snapshots, the demo.

usage: command_test.py PROGRAM [ARGUMENT...]: the program and what makes it the doctor (`ramie doctor`, or `ramie-doctor`).
"""
import json
import mmap
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

doctor = sys.argv[1:]
schema = json.loads((pathlib.Path(__file__).resolve().parents[2] / "docs/doctor.schema.json").read_text())


def run(*arguments, **options):
    return subprocess.run([*doctor, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)


class Mismatch(Exception):
    pass


def check(value, rule, path="$"):
    """The part of JSON Schema that ours uses."""
    if "$ref" in rule:
        check(value, schema["$defs"][rule["$ref"].rsplit("/", 1)[1]], path)
    if "oneOf" in rule:
        faults = []
        for one in rule["oneOf"]:
            try:
                check(value, one, path)
            except Mismatch as fault:
                faults.append(str(fault))
        if len(faults) != len(rule["oneOf"]) - 1:
            raise Mismatch(f"{path}: fits {len(rule['oneOf']) - len(faults)} of the alternatives: {faults}")
    if "const" in rule and value != rule["const"]:
        raise Mismatch(f"{path}: {value!r} is not {rule['const']!r}")
    if "enum" in rule and value not in rule["enum"]:
        raise Mismatch(f"{path}: {value!r} is none of {rule['enum']}")
    if "type" in rule:
        kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
        wanted = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits = any((kind == "integer" and number and isinstance(value, int)) or (kind == "number" and number) or
                   (kind in kinds and isinstance(value, kinds[kind])) for kind in wanted)
        if not fits:
            raise Mismatch(f"{path}: {value!r} is no {wanted}")
    if "minimum" in rule and value < rule["minimum"]:
        raise Mismatch(f"{path}: {value} < {rule['minimum']}")
    if isinstance(value, dict) and "properties" in rule:
        for key in rule.get("required", []):
            if key not in value:
                raise Mismatch(f"{path}: no {key}")
        for key, part in value.items():
            if key in rule["properties"]:
                check(part, rule["properties"][key], f"{path}.{key}")
            elif rule.get("additionalProperties") is False:
                raise Mismatch(f"{path}: unexpected {key}")
    if isinstance(value, list) and "items" in rule:
        for index, part in enumerate(value):
            check(part, rule["items"], f"{path}[{index}]")


# A process with as many guarded stacks as its argument says; with a second, so many more every tenth of a second.
stacks = r"""
import ctypes, mmap, sys, time
libc = ctypes.CDLL(None, use_errno=True)
count, more = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
libc.mmap.restype = ctypes.c_void_p
base = libc.mmap(None, ctypes.c_size_t(70000 * 8192), 3, 0x4022, -1, ctypes.c_long(0))
def make(first, last):
    for i in range(first, last):
        libc.mprotect(ctypes.c_void_p(base + i * 8192), ctypes.c_size_t(4096), 0)
make(0, count)
print("ready", flush=True)
while True:
    time.sleep(0.1)
    make(count, count + more)
    count += more
"""


class Commands(unittest.TestCase):
    def start(self, *arguments):
        child = subprocess.Popen([sys.executable, "-c", stacks, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.assertEqual(child.stdout.readline(), "ready\n")
        return child

    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name)

    def test_a_fine_process_exits_0_and_says_so(self):
        done = run(self.start(10).pid)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("Nothing to do.", done.stdout)
        self.assertNotIn("\033", done.stdout)

    def test_a_process_near_the_limit_exits_1_and_names_limit_numbers_and_cure(self):
        limit = int(pathlib.Path("/proc/sys/vm/max_map_count").read_text())
        if limit > 100000:
            print(f"\nskipped: mappings near the limit: vm.max_map_count is {limit}")
            return
        done = run(self.start(29000).pid)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, r"29,000 fiber stacks, two mappings each \(guard 4 KiB \+ stack 4 KiB\); at 3\d,\d{3} creation fails")
        self.assertRegex(done.stdout, r"do: sysctl -w vm.max_map_count=\d+")

    def test_wrong_usage_exits_2_with_a_usage_line(self):
        for arguments in (["--nonsense"], ["--threshold", "0", "self"], ["--watch", "-1", "self"], ["--map"], ["--watch", "1"]):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn("usage:", done.stderr)
            self.assertEqual(done.stdout, "")

    def test_gone_and_unknown_processes_exit_3(self):
        for target in ("4194303", "no-such-program-anywhere", "99999999999999999999"):
            done = run(target)
            self.assertEqual(done.returncode, 3, done.stdout)
            self.assertIn("no process", done.stderr)
        done = run("--proc", "/nonexistent", 1)
        self.assertEqual(done.returncode, 3)

    def test_another_users_process_exits_3_and_says_what_to_do(self):
        if os.geteuid() != 0:
            print("\nskipped: other users' processes: becoming another user needs root")
            return
        with tempfile.TemporaryDirectory() as folder:  # the build may lie where others cannot read
            os.chmod(folder, 0o755)
            program = pathlib.Path(folder) / "doctor"
            program.write_bytes(pathlib.Path(doctor[0]).read_bytes())
            program.chmod(0o755)
            done = subprocess.run([program, *doctor[1:], str(os.getpid())], capture_output=True, text=True, user=61234, group=61234,
                                  extra_groups=[])
        self.assertEqual(done.returncode, 3, done.stdout)
        self.assertIn("Run as its user or as root", done.stderr)

    def test_names_are_found(self):
        child = self.start(1)
        name = pathlib.Path(f"/proc/{child.pid}/comm").read_text().strip()
        done = run("--json", name)
        self.assertIn(child.pid, [json.loads(line)["process"]["pid"] for line in done.stdout.splitlines()])

    def test_json_fits_its_schema(self):
        child = self.start(100)
        for arguments in (["self"], [child.pid], ["--deep", child.pid], ["4194303"], ["--cow", child.pid], []):
            lines = run("--json", *arguments).stdout.splitlines()
            self.assertTrue(lines, arguments)
            for line in lines:
                check(json.loads(line), schema)
        self.assertEqual(json.loads(run("--json", child.pid).stdout)["mappings"]["stacks"][0]["count"], 100)

    def test_the_schema_refuses_what_is_wrong(self):
        good = json.loads(run("--json", "self").stdout)
        for spoil in (lambda o: o.update(schema=2), lambda o: o.pop("fork"), lambda o: o["fork"].update(fork="perhaps"),
                      lambda o: o["mappings"].update(count=-1), lambda o: o.update(extra=1)):
            bad = json.loads(json.dumps(good))
            spoil(bad)
            with self.assertRaises(Mismatch):
                check(bad, schema)

    def test_metrics_are_written_whole_and_parse(self):
        folder = self.folder()
        child = self.start(100)
        self.assertEqual(run(child.pid, "--textfile", folder / "ramie.prom").returncode, 0)
        self.assertEqual([file.name for file in folder.iterdir()], ["ramie.prom"])
        names = set()
        for line in (folder / "ramie.prom").read_text().splitlines():
            if line.startswith("#"):
                self.assertRegex(line, r"^# (HELP \w+ .+|TYPE \w+ gauge)$")
                continue
            self.assertRegex(line, r'^\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? -?[0-9.e+-]+$')
            names.add(re.match(r"\w+", line).group())
        self.assertIn("ramie_doctor_limit_used", names)
        self.assertIn("ramie_doctor_can_fork", names)
        refused = run(child.pid, "--textfile", "/nonexistent/folder/file")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("No such file", refused.stderr)

    def test_a_command_is_run_once_when_there_is_a_finding_and_not_otherwise(self):
        folder = self.folder()
        child = self.start(2000)
        command = f'echo "$RAMIE_PID $RAMIE_CODE" >> {folder}/ran'
        run(child.pid, "--exec", command)
        self.assertFalse((folder / "ran").exists())
        done = run(child.pid, "--exec", command, "--threshold", 2, "--watch", 0.05, "--samples", 5)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual((folder / "ran").read_text(), f"{child.pid} mappings\n")

    def test_watching_tells_the_rate_and_the_time_left(self):
        done = run(self.start(1000, 50).pid, "--watch", 0.2, "--samples", 6)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 6)
        self.assertRegex(lines[-1], r"mappings +[\d,]+ of [\d,]+ \(\+\d+\.\d/s, used up in \d+ (s|min)\), fork yes")

    def test_watching_a_process_that_ends_ends_with_3(self):
        child = self.start(1)
        watching = subprocess.Popen([*doctor, str(child.pid), "--watch", "0.05"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        watching.stdout.readline()
        child.kill()
        child.wait()
        _, errors = watching.communicate(timeout=30)
        self.assertEqual(watching.returncode, 3)
        self.assertIn("no process", errors)

    def test_a_snapshot_gives_the_same_report_elsewhere(self):
        folder = self.folder()
        child = self.start(500)
        os.kill(child.pid, signal.SIGSTOP)
        live = json.loads(run("--json", "--deep", child.pid).stdout)
        self.assertEqual(run("--save", folder / "saved", child.pid).returncode, 0)
        saved = json.loads(run("--json", "--deep", "--proc", folder / "saved/proc", child.pid).stdout)
        for key in ("process", "mappings", "status", "findings"):
            self.assertEqual(live[key], saved[key], key)
        for old, new in zip(live["fork"]["gates"], saved["fork"]["gates"]):
            for key in ("cause", "fork", "needed", "limit", "vfork", "posix_spawn"):
                self.assertEqual(old[key], new[key], (old["cause"], key))
        self.assertEqual(run("--proc", folder / "saved/proc").returncode, 0)

    def test_the_picture_and_the_survey_are_drawn(self):
        child = self.start(100)
        picture = run("--map", child.pid).stdout
        self.assertRegex(picture, r"\|[xfdwrhsS. ]{56}\|")
        survey = run("-v").stdout
        self.assertRegex(survey, rf"(?m)^ *{child.pid} ")

    def test_the_demo_happens_as_foretold(self):
        done = run("--demo")
        print("\n".join(line for line in done.stdout.splitlines() if "foretold" in line or "cannot be laid" in line))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"(\d) of \1 as foretold")


unittest.main(argv=[sys.argv[0]], verbosity=1)
