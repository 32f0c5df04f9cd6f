#!/usr/bin/env python3
"""Whoever walks a fiber's stack comes to a clean end: backtrace(), an exception, gdb's `bt`, `perf record -g`.

Builds frames.cpp against the library with both compilers at -O0 and -O2, and runs it, plain and under the tools.
"""
import argparse
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parents[2]
arguments = argparse.ArgumentParser()
arguments.add_argument("--library", required=True)
arguments.add_argument("--flags", default="", help="what the library's build asks of every consumer")
options = arguments.parse_args()
portable = "RAMIE_SWITCH_UCONTEXT" in options.flags
first_frame = "" if portable else "ramie_first_frame"  # the portable twin ends in libc's start code, which has no name
failures = 0


def fail(label, text, output=""):
    global failures
    failures += 1
    print(f"FAILED: {label}: {text}")
    print("".join(f"    {line}\n" for line in output.splitlines()[-25:]), end="")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120)
    return done.returncode, done.stdout + done.stderr


def try_walk(label, program):
    status, output = run(program, "walk")
    if status != 0:
        fail(label, "backtrace() and exceptions", output)


def try_gdb(label, program):
    """Stops in the fiber before its first suspend and after it: both times `bt` names every frame down to the first."""
    status, output = run("gdb", "-nx", "-q", "-batch", "-ex", "set debuginfod enabled off", "-ex", "break stop_here", "-ex", "run walk",
                         "-ex", "bt", "-ex", "continue", "-ex", "bt", program)
    if re.search(r"ptrace: Operation not permitted|Couldn't get (CS|registers)", output):
        print("skipped: gdb's bt in a fiber: ptrace is not permitted here")
        return
    for wrong in ("corrupt stack", "previous frame") + (() if portable else ("??",)):
        if wrong in output:
            fail(label, f"gdb's bt says '{wrong}'", output)
            return
    traces = re.split(r"^#0 ", output, flags=re.M)[1:]
    if len(traces) != 2:
        fail(label, f"gdb stopped {len(traces)} times, not twice", output)
        return
    for trace in traces:
        frames = [line for line in trace.splitlines() if line.startswith("#")]
        for name in ("innermost", "inner", "outer", "fiber_main"):
            if not any(re.search(rf"\b{name} ?\(", line) for line in frames):
                fail(label, f"gdb's bt has no frame of {name}", trace)
        if first_frame not in frames[-1]:
            fail(label, f"gdb's bt does not end at {first_frame}", trace)


def try_perf(label, program, place):
    """With frame pointers every sample of the spinning fiber goes down to its first frame, and no further."""
    data = str(place / "perf.data")
    status, output = run("perf", "record", "-q", "-g", "-e", "cpu-clock", "-o", data, program, "busy")
    if status != 0:
        print(f"skipped: perf record -g in a fiber: {output.strip().splitlines()[-1] if output.strip() else 'it failed'}")
        return
    _, output = run("perf", "script", "-i", data, "-F", "ip,sym")
    samples = [sample.split("\n") for sample in output.split("\n\n") if "spin_in_fiber" in sample]
    clean = [sample for sample in samples if first_frame in [line for line in sample if line.strip()][-1]]
    if not samples:
        print("skipped: perf record -g in a fiber: no sample was taken")
    elif len(clean) != len(samples):
        broken = next(sample for sample in samples if sample not in clean)
        fail(label, f"{len(samples) - len(clean)} of {len(samples)} samples do not end at {first_frame}", "\n".join(broken))


tools = {name: shutil.which(name) for name in ("gdb", "perf")}
for name, path in tools.items():
    if not path:
        print(f"skipped: {name} in a fiber: it is not installed")
with tempfile.TemporaryDirectory(prefix="ramie-frames-") as directory:
    place = pathlib.Path(directory)
    built = 0
    for compiler in ("g++", "clang++-14"):
        if not shutil.which(compiler):
            print(f"skipped: frames of code built with {compiler}: it is not installed")
            continue
        for level in ("-O0", "-O2", "-O2 -fno-omit-frame-pointer"):
            label, program = f"{compiler} {level}", str(place / "frames")
            status, output = run(compiler, "-std=c++20", "-g", *level.split(), *shlex.split(options.flags), f"-I{root / 'include'}",
                                 str(root / "tests/context/frames.cpp"), options.library,
                                 f"-Wl,-rpath,{os.path.dirname(options.library)}", "-pthread", "-o", program)
            if status != 0:
                fail(label, "does not build", output)
                continue
            built += 1
            try_walk(label, program)
            if tools["gdb"]:
                try_gdb(label, program)
            if tools["perf"] and "pointer" in level and not portable:
                try_perf(label, program, place)
    print(f"frames: {built} programs walked, {failures} failures")
sys.exit(1 if failures else 0)
