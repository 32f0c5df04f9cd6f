#!/usr/bin/env python3
"""Compiles and runs the README's program and compares what it prints with what the README says.

usage: readme_test.py COMPILER LIBRARY [flags...]"""
import pathlib
import re
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parents[2]
compiler, library, *flags = sys.argv[1:]
text = (root / "README.md").read_text()
program, printed = re.search(r"```cpp\n(.*?)```\n```\n(.*?)```", text, re.S).groups()
with tempfile.TemporaryDirectory() as place:
    source = pathlib.Path(place, "main.cpp")
    source.write_text(program)
    binary = str(pathlib.Path(place, "main"))
    subprocess.run([compiler, "-std=c++20", "-O2", *flags, f"-I{root / 'include'}", str(source), "-o", binary, library,
                    "-lpthread"], check=True)
    output = subprocess.run([binary], capture_output=True, text=True, check=True).stdout
if output != printed:
    print(f"README says:\n{printed}\nits program prints:\n{output}")
    sys.exit(1)
print(f"README's program: {len(program.splitlines())} lines, prints what is written there")
