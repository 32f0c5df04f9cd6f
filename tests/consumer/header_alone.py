#!/usr/bin/env python3
"""Compiles each public header as the only line of a file: what it needs it includes, and it warns at nothing."""
import argparse
import concurrent.futures
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parents[2]
arguments = argparse.ArgumentParser()
arguments.add_argument("--include", default=str(root / "include"))
arguments.add_argument("--flags", default="", help="what the library's build asks of every consumer")
arguments.add_argument("--jobs", type=int, default=2)
options = arguments.parse_args()

strict = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]
variants = [["-std=c++20"], ["-std=c++2b"], ["-std=c++20", "-fno-rtti"]]
# The switch's own file is chosen by switch.hpp; the others are not for this build.
native = {"x86_64": "switch_x86_64.hpp", "aarch64": "switch_aarch64.hpp"}.get(platform.machine())
chosen = "switch_ucontext.hpp" if "RAMIE_SWITCH_UCONTEXT" in options.flags else native
headers = [path.relative_to(options.include) for path in sorted(pathlib.Path(options.include, "ramie").rglob("*.hpp"))
           if not path.name.startswith("switch_") or path.name == chosen]
compilers = [compiler for compiler in ("g++", "clang++-14") if shutil.which(compiler)]
commands = [[compiler, *variant, *strict, *shlex.split(options.flags), f"-I{options.include}", "-fsyntax-only", "-x", "c++", "-"]
            for compiler in compilers for variant in variants]


def compile_alone(job):
    command, header = job
    done = subprocess.run(command, input=f"#include <{header}>\n", capture_output=True, text=True)
    return done.returncode, done.stderr


jobs = [(command, header) for header in headers for command in commands]
failed = 0
with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
    for (command, header), (status, errors) in zip(jobs, pool.map(compile_alone, jobs)):
        if status != 0:
            failed += 1
            print(f"FAILED: echo '#include <{header}>' | {' '.join(command)}")
            print("".join(f"    {line}\n" for line in errors.splitlines()[:6]), end="")
print(f"headers alone: {len(headers)} headers, {len(jobs)} compilations, {failed} failed")
sys.exit(1 if failed else 0)
