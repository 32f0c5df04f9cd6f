#!/usr/bin/env python3
"""ramie-doctor is what can be copied anywhere: static, at most 4 MB, for Linux 3.10 and later."""
import pathlib
import subprocess
import sys

program = pathlib.Path(sys.argv[1])
size = program.stat().st_size
headers = subprocess.run(["readelf", "-ldn", program], capture_output=True, text=True, check=True).stdout
print(f"{program.name}: {size:,} bytes")
assert size <= 4_000_000, "larger than 4 MB"
assert "INTERP" not in headers and "NEEDED" not in headers, "not static"
for line in headers.splitlines():
    if "ABI:" in line:  # "OS: Linux, ABI: 3.2.0"
        version = tuple(map(int, line.rsplit(" ", 1)[1].split(".")))
        print("needs Linux", ".".join(map(str, version)))
        assert version <= (3, 10, 0), "needs a kernel newer than 3.10"
