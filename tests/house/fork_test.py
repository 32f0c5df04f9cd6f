#!/usr/bin/env python3
"""Nothing in the library is made at its first use under a lock that no fork takes; src/base/lasting.hpp says why.

usage: fork_test.py [OBJECT...]
The sources may not name std::call_once, and a variable of a function is made by the compiler: constinit, constexpr, or
trivial. The compiler's objects, the library's own, are searched for what shows the contrary: a guard variable. Those of
thread_locals are no lock."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parents[2]
faults, files = [], 0
for path in sorted([*(root / "src").rglob("*"), *(root / "include").rglob("*")]):
    if path.suffix not in (".hpp", ".cpp", ".h"):
        continue
    files += 1
    for number, line in enumerate(path.read_text().splitlines(), 1):
        code = line.split("//")[0]
        where = f"{path.relative_to(root)}:{number}"
        if re.search(r"\bstd::(call_once|once_flag)\b", code):
            faults.append(f"{where}: std::call_once: a fork in the middle of it leaves the child waiting for ever")
        # What a header instantiates is in other people's objects, so there the word must stand.
        local = re.match(r"\s+(?:\[\[.*\]\]\s*)?static\s+(?!thread_local|constexpr|constinit|consteval|inline)([^(;]*?)(=|\{)", code)
        if local and path.suffix != ".cpp" and "operator" not in code:
            faults.append(f"{where}: a static with an initialiser, and neither constinit nor constexpr")

for name in sys.argv[1:]:
    symbols = subprocess.run(["readelf", "-sW", "--demangle", name], capture_output=True, text=True, check=True).stdout
    for line in symbols.splitlines():
        fields = line.split(None, 7)
        if len(fields) == 8 and fields[7].startswith("guard variable for") and fields[3] != "TLS":
            faults.append(f"{pathlib.Path(name).name}: {fields[7]}")

print("\n".join(faults) if faults else f"fork test: {files} files, {len(sys.argv) - 1} objects, nothing is made at its first use")
sys.exit(1 if faults else 0)
