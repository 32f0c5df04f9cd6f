#!/usr/bin/env python3
"""Each public header says in its first comment whether it is stable or experimental: docs/upgrading.md says what that means."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
headers = sorted(path for path in (root / "include").rglob("*") if path.suffix in (".h", ".hpp"))
faults, counts = [], {"stable": 0, "experimental": 0}
for path in headers:
    first = re.match(r"(?:(?://[^\n]*\n)+|/\*.*?\*/)", path.read_text(), re.S)
    status = re.findall(r"^(?://| \*) Status: (stable|experimental)[.;]", first.group() if first else "", re.M)
    if len(status) != 1:
        faults.append(f"{path.relative_to(root)}: its first comment must have one line \"Status: stable.\" or \"Status: experimental.\"")
    else:
        counts[status[0]] += 1
print("\n".join(faults) if faults else f"header status: {counts['stable']} stable, {counts['experimental']} experimental")
sys.exit(1 if faults else 0)
