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
arguments.add_argument("--boost", default="", help="where Boost's headers are; without, what needs them is left out")
arguments.add_argument("--jobs", type=int, default=2)
arguments.add_argument("--modes", choices=["first", "all"], default="all", help="first: C++20 and C11 only")
options = arguments.parse_args()

strict = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]
variants = [["-std=c++20"], ["-std=c++2b"], ["-std=c++20", "-fno-rtti"], ["-std=c++20", "-O1", "-flto"]]
c_variants = [["-std=c11"], ["-std=c17", "-O1", "-flto"]]
if options.modes == "first":
    del variants[1:], c_variants[1:]
# The switch's own file is chosen by switch.hpp; the others are not for this build.
native = {"x86_64": "switch_x86_64.hpp", "aarch64": "switch_aarch64.hpp"}.get(platform.machine())
chosen = "switch_ucontext.hpp" if "RAMIE_SWITCH_UCONTEXT" in options.flags else native
headers = [path.relative_to(options.include) for path in sorted(pathlib.Path(options.include, "ramie").rglob("*.h*"))
           if not path.name.startswith("switch_") or path.name == chosen]
for_boost = [header for header in headers if "<boost/" in pathlib.Path(options.include, header).read_text()]
if not options.boost:
    print(f"skipped: {', '.join(map(str, for_boost))}: no Boost 1.81 here")
    headers = [header for header in headers if header not in for_boost]


def commands_for(header):
    """Each language, compiler and mode that the header is for; a whole compilation where the optimiser has a say."""
    for language, compilers, modes in (("c++", ("g++", "clang++-14"), variants), ("c", ("gcc", "clang-14"), c_variants)):
        if language == "c" and header.suffix != ".h":
            continue
        for compiler in compilers:
            for mode in modes if shutil.which(compiler) else ():
                boost = [f"-isystem{options.boost}"] if header in for_boost else []
                if "-fno-rtti" in mode and header.name == "asio.hpp":
                    boost.append("-DBOOST_ASIO_NO_TYPEID")  # Asio's own way of going without
                output = ["-c", "-o", "/dev/null"] if "-flto" in mode else ["-fsyntax-only"]
                yield [compiler, *mode, *strict, *shlex.split(options.flags), f"-I{options.include}", *boost, *output,
                       "-x", language, "-"]


def compile_alone(job):
    command, header = job
    done = subprocess.run(command, input=f"#include <{header}>\n", capture_output=True, text=True)
    return done.returncode, done.stderr


jobs = [(command, header) for header in headers for command in commands_for(header)]
failed = 0
with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
    for (command, header), (status, errors) in zip(jobs, pool.map(compile_alone, jobs)):
        if status != 0:
            failed += 1
            print(f"FAILED: echo '#include <{header}>' | {' '.join(command)}")
            print("".join(f"    {line}\n" for line in errors.splitlines()[:6]), end="")
print(f"headers alone: {len(headers)} headers, {len(jobs)} compilations, {failed} failed")
sys.exit(1 if failed else 0)
