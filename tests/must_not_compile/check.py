#!/usr/bin/env python3
"""Runs the compiler over each file here: it must fail with the words of its first line, and compile when fixed.

usage: check.py COMPILER INCLUDE_FOLDER [compiler options...]

A file that fails for another reason proves nothing; so its first line says what the error must contain (a regular
expression), and with -DRAMIE_FIXED the same file must compile.
"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys

here = pathlib.Path(__file__).parent
compiler, include, *options = sys.argv[1:]
command = [compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I", include, *options]


def compile_file(path, *more):
    return subprocess.run([*command, *more, str(path)], capture_output=True, text=True)


def complaints(path):
    first = path.read_text().splitlines()[0]
    match = re.fullmatch(r"// expect: (.+)", first)
    if not match:
        return [f"{path.name}: its first line is not `// expect: WORDS`"]
    found = []
    broken = compile_file(path)
    if broken.returncode == 0:
        found.append(f"{path.name}: it compiles")
    elif not re.search(match.group(1), broken.stderr):
        found.append(f"{path.name}: the error does not contain `{match.group(1)}`:\n{broken.stderr[:1500]}")
    fixed = compile_file(path, "-DRAMIE_FIXED")
    if fixed.returncode != 0:
        found.append(f"{path.name}: its fixed twin does not compile:\n{fixed.stderr[:1500]}")
    return found


files = sorted(here.glob("*.cpp"))
with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
    found = [line for lines in pool.map(complaints, files) for line in lines]
print("\n".join(found) if found else f"{len(files)} files: none compiles, and each does when it is fixed")
sys.exit(1 if found or not files else 0)
