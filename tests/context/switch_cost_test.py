#!/usr/bin/env python3
"""Counts what one resume and its suspend execute, so that nothing is added to them unnoticed.

Runs one_pair.cpp (g++ -O2) under valgrind's lackey for two numbers of pairs and divides the difference: exact, the same
on every machine. A limit here may be raised only together with the figures of `ramie bench fibers` before and after.
"""
import argparse
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

limits = {"instructions": 82, "loads": 31, "stores": 17}
root = pathlib.Path(__file__).resolve().parents[2]
arguments = argparse.ArgumentParser()
arguments.add_argument("--library", required=True)
options = arguments.parse_args()
for tool in ("valgrind", "g++"):
    if not shutil.which(tool):
        print(f"skipped: counting the switch's instructions: {tool} is not installed")
        sys.exit(77)


def count(program, pairs):
    done = subprocess.run(["valgrind", "--tool=lackey", "--basic-counts=yes", "--detailed-counts=yes", program, str(pairs)],
                          capture_output=True, text=True, timeout=120)
    found = re.search(r"guest instrs:\s+([\d,]+)", done.stderr)
    if done.returncode != 0 or not found:
        print(f"FAILED: valgrind: exit {done.returncode}\n{done.stderr[-1500:]}")
        sys.exit(1)
    number = lambda text: int(text.replace(",", ""))
    rows = re.findall(r"==\s+[IFV]\d+\s+([\d,]+)\s+([\d,]+)\s+[\d,]+", done.stderr)
    return {"instructions": number(found[1]), "loads": sum(number(row[0]) for row in rows),
            "stores": sum(number(row[1]) for row in rows)}


with tempfile.TemporaryDirectory(prefix="ramie-cost-") as directory:
    program = str(pathlib.Path(directory, "one_pair"))
    subprocess.run(["g++", "-std=c++20", "-O2", f"-I{root / 'include'}", str(root / "tests/context/one_pair.cpp"), options.library,
                    f"-Wl,-rpath,{pathlib.Path(options.library).parent}", "-pthread", "-o", program], check=True)
    few, many = count(program, 10_000), count(program, 30_000)
    failed = False
    for kind, limit in limits.items():
        each = (many[kind] - few[kind]) / 20_000
        failed |= each > limit + 0.01
        print(f"{'FAILED: ' if each > limit + 0.01 else ''}resume + suspend: {each:.2f} {kind}, at most {limit}")
sys.exit(1 if failed else 0)
