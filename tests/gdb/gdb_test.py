#!/usr/bin/env python3
"""ramie-gdb.py in gdb: live at a breakpoint, from a core that gdb wrote, and from a core that the kernel wrote.

    gdb_test.py SCRIPT PROGRAM...    each program is tests/gdb/parked.cpp, compiled in another way
"""
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile

script, *programs = (str(pathlib.Path(argument).resolve()) for argument in sys.argv[1:])
failures = 0

def skip(what, why):
    print(f"skipped: {what}: {why}")


def gdb(*arguments):
    found = subprocess.run(["gdb", "-q", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", f"source {script}",
                            *arguments], capture_output=True, text=True, timeout=200)
    return found.stdout + found.stderr


def check(holds, what, said):
    global failures
    if not holds:
        failures += 1
        print(f"FAILED: {what}; gdb said:\n{said}\n")


def stack_of(name, said):
    """The functions of the fiber of this name, newest first, out of "ramie bt all"."""
    section = re.search(rf"^fiber #\d+ '{re.escape(name)}'.*\n((?:#.*\n|\s.*\n)*)", said, re.M)
    if not section:
        return []
    return re.findall(r"^#\d+ +(?:0x[0-9a-f]+ in )?([^ (]+)", section.group(1), re.M)


def in_order(stack, *functions):
    """These functions or clones of them are on the stack, in this order, perhaps with others between them."""
    rest = iter([name.split(".")[0] for name in stack])
    return all(any(found == wanted for found in rest) for wanted in functions)


def check_view(said, where):
    states = {"tea": "suspended", "never": "created", "over": "terminated", "crosser": "transferred",
              "outer": "resuming", "inner": "running", "other thread's": "suspended", "home": "terminated"}
    for name, state in states.items():
        check(re.search(rf"^\d+ +{re.escape(name)} +{state} .*parked\.cpp:\d+$", said, re.M), f"{where}: {name} is {state}", said)
    homes = {name: re.search(rf"^\d+ +{re.escape(name)} +\w+ +(\S+)", said, re.M).group(1) for name in states if name in said}
    check(homes.get("tea") == homes.get("outer") != homes.get("other thread's") and homes.get("tea", "-") != "-"
          and homes.get("other thread's", "-") != "-", f"{where}: home threads", said)
    check(re.search(r"^\d+ +tea +suspended +\d+ +\d{2,4} of \d{5} ", said, re.M), f"{where}: stack in use", said)
    for name in ("tea", "other thread's"):
        check(in_order(stack_of(name, said), "steep", "steep", "steep", "brew"),
              f"{where}: stack of {name}", said)
        # The portable twin's first frame is the C library's, which has no name.
        last = {"??", "__start_context"} if re.search(r"::swap_to ?\(", said) else {"ramie_first_frame"}
        check(set(stack_of(name, said)[-1:]) <= last, f"{where}: {name} ends at its first frame", said)
    check(in_order(stack_of("crosser", said), "cross"), f"{where}: stack of crosser", said)
    check(in_order(stack_of("outer", said), "wait_for"), f"{where}: stack of outer", said)
    check(in_order(stack_of("inner", said), "everything_stands", "pour"),
          f"{where}: stack of inner", said)
    root = re.search(r"^fiber #\d+ 'root', resuming.*\n(?:#.*\n)*#.* main \(", said, re.M)
    check(root, f"{where}: stack of the main thread's root", said)
    check("corrupt" not in said and "Python Exception" not in said, f"{where}: gdb finds no fault", said)


def test_live(program, directory):
    core = directory / "written_by_gdb"
    said = gdb("-ex", "break everything_stands", "-ex", "run", "-ex", "up", "-ex", "ramie fibers", "-ex", "ramie bt all",
               "-ex", "echo still in:\\n", "-ex", "frame", "-ex", "echo the thread itself:\\n", "-ex", "backtrace",
               "-ex", "ramie bt 999999", "-ex", "continue", program)
    if re.search(r"ptrace: Operation not permitted|Couldn't .*ptrace|Could not trace the inferior", said):
        return skip("a live process in gdb", "ptrace is forbidden here")
    check_view(said, f"{program}, live")
    check("ramie: no fiber #999999" in said, "an unknown id is refused in words", said)
    itself = said.split("the thread itself:")[-1]
    check(re.search(r"^#0 .*everything_stands", itself, re.M) and "pour" in itself, "the thread's own backtrace is as before", said)
    check(re.search(r"still in:\n#1 .*pour", said), "the chosen frame is still chosen", said)
    check("drunk: 6" in said and "exited normally" in said, "the program goes on to its end", said)
    # gdb gives up a mapping at the first page that it cannot read, so only guards that are mappings or readable will do.
    gdb("-ex", "set environment RAMIE_GUARD=mprotect", "-ex", "break everything_stands", "-ex", "run",
        "-ex", f"generate-core-file {core}", program)
    if not core.exists():
        return skip("a core written by gdb", "gdb could not write it")
    check_view(gdb("-ex", "ramie fibers", "-ex", "ramie bt all", program, str(core)), f"{program}, core written by gdb")


def test_core(program, directory):
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern.startswith("|") or "/" in pattern:
        return skip("a core written by the kernel", f"core_pattern is {pattern!r}, not a file beside the program")
    try:
        _, most = resource.getrlimit(resource.RLIMIT_CORE)
        unlimited = lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most))
        subprocess.run([program, "crash"], cwd=directory, preexec_fn=unlimited, timeout=100)
    except (OSError, subprocess.SubprocessError) as error:
        return skip("a core written by the kernel", str(error))
    cores = [path for path in directory.iterdir() if path.name.startswith("core")]
    if not cores:
        return skip("a core written by the kernel", f"none was written (limit {most})")
    said = gdb("-ex", "ramie fibers", "-ex", "ramie bt all", program, str(cores[0]))
    check_view(said, f"{program}, core written by the kernel")


if shutil.which("gdb") is None:
    skip("gdb", "not installed (Debian: gdb)")
    sys.exit(77)
if "yes" not in gdb("-ex", "python print('yes')"):
    skip("gdb", "built without Python")
    sys.exit(77)
check("does not run" in gdb("-ex", "ramie fibers", programs[0]), "a program that does not run is refused in words", "")
check("no symbol ramie_gdb_layout_v0" in gdb("-ex", "starti", "-ex", "ramie fibers", shutil.which("true")), "a program without fibers is refused in words", "")
for program in programs:
    with tempfile.TemporaryDirectory() as directory:
        test_live(program, pathlib.Path(directory))
        test_core(program, pathlib.Path(directory))
print(f"{failures} failures")
sys.exit(1 if failures else 0)
