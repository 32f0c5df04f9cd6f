#!/usr/bin/env python3
"""Each checker catches each planted bug, names the function it is in, and finds nothing where nothing is wrong.

    checkers_test.py address|thread|valgrind PROGRAM      PROGRAM is tests/checkers/planted.cpp of such a build
"""
import os
import re
import shutil
import subprocess
import sys

checker, program = sys.argv[1:]

# Checker: [(bug, what is to be in the report, in that order, what must not be, options)]. An empty report: exit 0 and
# nothing on stderr that the checker wrote.
noise = ["switching stacks", "WARNING: ASan doesn't fully support", "CHECK failed"]
expected = {
    "address": [
        ("none", [], ["AddressSanitizer", "LeakSanitizer"], {}),
        ("none", [], ["AddressSanitizer"], {"ASAN_OPTIONS": "detect_stack_use_after_return=1:detect_leaks=0"}),
        ("local", ["stack-buffer-overflow", "write_beyond_a_local", "'small_local'"], [], {}),
        ("block", ["heap-buffer-overflow", "write_beyond_a_block", "fiber_main", "allocated by", "write_beyond_a_block"], [], {}),
        ("freed", ["heap-use-after-free", "write_to_freed_memory", "freed by", "write_to_freed_memory"], [], {}),
        ("returned", ["stack-use-after-return", "use_an_address", "address_of_a_local", "'gone_local'"], [],
         {"ASAN_OPTIONS": "detect_stack_use_after_return=1"}),
        ("ended", ["use-after-poison", "use_an_address", "use_after_the_end"], [], {}),
        ("killed", ["use-after-poison", "use_an_address", "use_after_the_end"], [], {}),
        ("neighbour", ["ramie: a wild access to 0x[0-9a-f]+, the guard of the stack of fiber 'neighbour'", "by code that runs in fiber 'runner'",
                       "AddressSanitizer", "run_into_the_neighbour"], [], {}),
        ("held", ["leaks while it is parked: 0"], ["LeakSanitizer"], {}),
        ("lost_by_kill", ["leaks while it is parked: 0", "leaks after it was killed: 1", "detected memory leaks",
                          "hold_memory_while_parked", "fiber_main"], [], {}),
        ("lost", ["detected memory leaks", "lose_memory_in_a_fiber", "fiber_main"], [], {}),
    ],
    "thread": [
        ("none", [], ["ThreadSanitizer"], {}),
        ("race", ["ThreadSanitizer: data race", "add_without_a_lock", "Previous write", "add_without_a_lock"], [], {}),
        ("locked", ["number: 200"], ["ThreadSanitizer"], {}),
        ("one_thread", ["number: 800"], ["ThreadSanitizer"], {}),
    ],
    "valgrind": [
        ("none", ["total: 1", "ERROR SUMMARY: 0 errors"], [], {}),
        ("uninitialised", ["depends on uninitialised value", "read_what_was_never_written", "fiber_main",
                           "ERROR SUMMARY: 1 errors"], [], {}),
        ("block", ["Invalid write of size 1", "write_beyond_a_block", "0 bytes after a block of size 24", "fiber_main"], [], {}),
        ("freed", ["Invalid write of size 1", "write_to_freed_memory", "free'd"], [], {}),
        ("ended", ["Invalid read of size 4", "use_an_address", "use_after_the_end"], [], {}),
        ("killed", ["Invalid read of size 4", "use_an_address", "use_after_the_end"], [], {}),
        ("neighbour", ["ramie: a wild access to 0x[0-9a-f]+, the guard of the stack of fiber 'neighbour'", "by code that runs in fiber 'runner'",
                       "run_into_the_neighbour"], [], {}),
        ("held", ["definitely lost: 0 bytes|no leaks are possible", "ERROR SUMMARY: 0 errors"], [], {}),
        ("lost_by_kill", ["100 bytes in 1 blocks are definitely lost", "hold_memory_while_parked", "fiber_main"], [], {}),
        ("lost", ["100 bytes in 1 blocks are definitely lost", "lose_memory_in_a_fiber", "fiber_main"], [], {}),
    ],
}

command = [program]
if checker == "valgrind":
    if shutil.which("valgrind") is None:
        print("skipped: bugs planted for Valgrind: no valgrind here (Debian package valgrind)")
        sys.exit(77)
    command = ["valgrind", "--leak-check=full", "--error-exitcode=42", program]

failures = 0
for bug, wanted, unwanted, options in expected[checker]:
    done = subprocess.run([*command, bug], capture_output=True, text=True, errors="replace", env=os.environ | options)
    report = done.stdout + done.stderr
    if "LeakSanitizer has encountered a fatal error" in report:
        print(f"skipped: {checker} on '{bug}': LeakSanitizer may not trace here (ptrace)")
        continue
    faults, place = [], 0
    for text in wanted:
        match = re.compile(text if "|" in text or "[" in text else re.escape(text)).search(report, place)
        if match is None:
            faults.append(f"'{text}' is not in the report" + (" after what comes before" if text in report else ""))
        else:
            place = match.end()
    faults += [f"'{text}' is in the report" for text in [*unwanted, *noise] if text in report]
    clean = not wanted or wanted[-1].startswith(("number", "leaks while")) or "0 errors" in wanted[-1]
    if clean != (done.returncode == 0):
        faults.append(f"it ended with status {done.returncode}")
    for fault in faults:
        print(f"{checker} on '{bug}': {fault}")
    if faults:
        failures += 1
        print(report[:4000])
print(f"{checker}: {len(expected[checker]) - failures} of {len(expected[checker])} planted programs reported as they should be")
sys.exit(1 if failures else 0)
