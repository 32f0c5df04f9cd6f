#!/usr/bin/env python3
"""Builds tests/context/state_test.cpp as an outside consumer would, in every mode that moves values to other places.

The switch is inlined into users' code and compiled with their flags, so the library's own build proves little. Each
combination is compiled, linked with the library as it was built, and run. One line per failure, with the command.

  --selection quick    a few combinations that have each been wrong in some experiment (about 15 s)
  --selection all      compilers x levels x modes
  --selection mutants  the same test against headers broken on purpose: it must fail, or it would not notice
"""
import argparse
import concurrent.futures
import itertools
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parents[2]
levels = ["-O0", "-O1", "-O2", "-O3", "-Os"]
modes = ["", "-fPIC", "-fno-omit-frame-pointer", "-fomit-frame-pointer", "-march=x86-64-v4", "-mavx2",
         "-fcf-protection=full", "-mno-red-zone", "-flto", "-fno-plt", "-fstack-protector-strong",
         "-fstack-clash-protection", "-fno-rtti", "-D_FORTIFY_SOURCE=2"]
quick = [("g++", "-O2", "-march=x86-64-v4"), ("clang++-14", "-O0", ""), ("clang++-14", "-O2", "-march=x86-64-v4"),
         ("g++", "-O3", "-fPIC -fcf-protection=full"), ("clang++-14", "-O2", "-flto"), ("g++", "-O0", "-mno-red-zone")]

# What to break in the switch's header, and the combinations of which at least one must notice.
mutants = [
    ("x87 registers not named", [('"st", "st(1)", "st(2)"', '"st(2)"'), ('"st(2)", "st(3)"', '"st(3)"')],
     [("g++", "-O2", ""), ("clang++-14", "-O2", "")]),
    ("vector registers 16 to 31 and masks not named", [("defined(__AVX512F__) || defined(__clang__)", "0")],
     [("g++", "-O2", "-march=x86-64-v4"), ("clang++-14", "-O2", "-march=x86-64-v4")]),
    ("xmm7 not named", [('"xmm7", ', "")], [("g++", "-O2", ""), ("clang++-14", "-O2", "")]),
    ("r12 not named", [('"r12", ', "")], [("g++", "-O2", ""), ("clang++-14", "-O2", "")]),
    ("rbx named and not restored", [('"pop %%rbx\\n\\t"', '"lea 8(%%rsp), %%rsp\\n\\t"'), ('"rcx", "r8"', '"rbx", "rcx", "r8"')],
     [("clang++-14", "-O2", ""), ("clang++-14", "-O0", "")]),
    ("red zone not stepped over", [("-128(%%rsp)", "(%%rsp)"), ("lea 128(%%rsp)", "lea (%%rsp)")],
     [("g++", "-O2", "-fomit-frame-pointer"), ("clang++-14", "-O2", "-fomit-frame-pointer")]),
]


def processor_runs(mode):
    if "x86-64-v4" not in mode and "avx2" not in mode:
        return True
    have = set()
    for line in open("/proc/cpuinfo"):
        if line.startswith("flags"):
            have = set(line.split())
            break
    wanted = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} if "v4" in mode else {"avx2"}
    return wanted <= have


class trial:
    """One combination: where it is built, with what, and what came of it."""

    def __init__(self, compiler, level, mode, include, work, number):
        flags = ["-std=c++20", level, *mode.split(), *shlex.split(options.flags), f"-I{include}"]
        made, program = work / f"{number}.o", work / f"{number}"
        cached = [shutil.which("ccache")] if shutil.which("ccache") else []
        linker = ["-fuse-ld=lld"] if "clang" in compiler and "-flto" in mode else []
        source = str(root / "tests/context/state_test.cpp")
        library = [options.library, f"-Wl,-rpath,{os.path.dirname(options.library)}", "-pthread"]
        self.compile = cached + [compiler, *flags, "-c", source, "-o", str(made)]
        self.link = [compiler, *flags, *linker, str(made), *library, "-o", str(program)]
        self.command = " ".join(shlex.quote(part) for part in [compiler, *flags, *linker, source, *library, "-o", str(program)])
        self.program, self.made, self.mode, self.label = program, made, mode, f"{compiler} {level} {mode}".strip()

    def run(self):
        """Returns (what failed or None, its output, whether it ran)."""
        try:
            for step, command in (("compile", self.compile), ("link", self.link)):
                done = subprocess.run(command, capture_output=True, text=True, errors="replace")
                if done.returncode != 0:
                    return step, done.stderr, False
            if not processor_runs(self.mode):
                return None, "", False
            try:
                done = subprocess.run([str(self.program)], capture_output=True, text=True, errors="replace", timeout=60)
            except subprocess.TimeoutExpired:
                return "run (60 s were not enough)", "", True
            if done.returncode != 0:
                return f"run (exit {done.returncode})", done.stdout + done.stderr, True
            return None, "", True
        finally:
            for path in (self.made, self.program):
                path.unlink(missing_ok=True)


def run_all(trials):
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        return list(zip(trials, pool.map(trial.run, trials)))


def run_modes(compilers, work):
    if options.selection == "quick":
        wanted = [combination for combination in quick if combination[0] in compilers]
    else:
        wanted = list(itertools.product(compilers, levels, modes))
    trials = [trial(*combination, options.include, work, number) for number, combination in enumerate(wanted)]
    failed, not_run = 0, 0
    for tried, (step, output, ran) in run_all(trials):
        if step:
            failed += 1
            print(f"FAILED: {tried.label}: {step}: {tried.command}")
            print("".join(f"    {line}\n" for line in output.splitlines()[:8]), end="")
        elif not ran:
            not_run += 1
    if not_run:
        print(f"skipped: running {not_run} of the combinations: this processor has no AVX-512 (or no AVX2); they compile")
    print(f"compile modes: {len(trials)} combinations, {failed} failed")
    return failed


def run_mutants(compilers, work):
    original = pathlib.Path(options.include)
    missed, tried_number = 0, 0
    for number, (name, changes, combinations) in enumerate(mutants):
        broken = work / f"broken{number}"
        shutil.copytree(original / "ramie", broken / "ramie")
        header = broken / "ramie/context/switch_x86_64.hpp"
        text = header.read_text()
        for before, after in changes:
            if before not in text:
                print(f"FAILED: mutant '{name}': {before} is not in {header.name} any more: update this list")
                missed += 1
            text = text.replace(before, after)
        header.write_text(text)
        usable = [combination for combination in combinations if combination[0] in compilers and processor_runs(combination[2])]
        if not usable:
            print(f"skipped: mutant '{name}': none of its combinations can run here")
            continue
        tried_number += 1
        outcomes = run_all([trial(*combination, broken, work, f"m{number}.{i}") for i, combination in enumerate(usable)])
        noticed = [tried.label for tried, (step, _, ran) in outcomes if step and ran]
        if noticed:
            print(f"noticed: {name}: {', '.join(noticed)}")
        else:
            missed += 1
            print(f"FAILED: mutant '{name}' was not noticed by {', '.join(tried.label for tried, _ in outcomes)}: "
                  f"{[(step, output[:200]) for _, (step, output, _) in outcomes]}")
    print(f"mutants: {tried_number} tried, {missed} missed")
    return missed


arguments = argparse.ArgumentParser()
arguments.add_argument("--library", required=True)
arguments.add_argument("--include", default=str(root / "include"))
arguments.add_argument("--flags", default="", help="what the library's build asks of every consumer")
arguments.add_argument("--selection", choices=["quick", "all", "mutants"], default="quick")
arguments.add_argument("--jobs", type=int, default=2)
options = arguments.parse_args()

known = [compiler for compiler in ("g++", "clang++-14") if shutil.which(compiler)]
for compiler in {"g++", "clang++-14"} - set(known):
    print(f"skipped: consumers built with {compiler}: it is not installed")
with tempfile.TemporaryDirectory(prefix="ramie-consumer-") as place:
    run = run_mutants if options.selection == "mutants" else run_modes
    sys.exit(1 if run(known, pathlib.Path(place)) else 0)
