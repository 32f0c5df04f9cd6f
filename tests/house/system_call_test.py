#!/usr/bin/env python3
"""`os` is the only room that makes system calls: no other includes the headers that declare them, or names them.

Exit 1 and one line per fault. An exception is a line below, with its reason; one that is not needed is a fault too.
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]

# Headers whose functions enter the kernel. <pthread.h> is not among them: what it declares and who may use it is the
# list of calls' affair.
headers = re.compile(r"(sys/.*|linux/.*|asm/.*|unistd\.h|fcntl\.h|c?signal(\.h)?|poll\.h|sched\.h|spawn\.h|time\.h|ctime|"
                     r"ucontext\.h|thread|chrono|fstream|filesystem)")
calls = re.compile(r"(?<![\w.>\"])(mmap|munmap|mprotect|madvise|mincore|mlock|mlockall|munlock|process_madvise|sigaction|"
                   r"sigaltstack|sigprocmask|pthread_(?!exit\b|atfork\b)\w+|syscall|arch_prctl|ioctl|fcntl|getauxval|sysconf|"
                   r"sched_\w+|nanosleep|usleep|getpid|gettid|v?fork|pipe2?|eventfd|epoll_(?:create1?|ctl|p?wait2?)|setrlimit|getrlimit|"
                   r"prctl|waitpid|posix_spawn\w*|clock_gettime|fopen|popen)\(")

may = {
    ("src/backtrace/symbolizer.cpp", "sys/auxv.h"): "AT_SECURE: a word that the kernel left in our memory, no call",
    ("src/backtrace/symbolizer.cpp", "getauxval"): "the same",
    ("src/backtrace/symbolizer.cpp", "unistd.h"): "environ",
    ("src/backtrace/collect.hpp", "ucontext.h"): "a type: the machine state that a handler gets",
    ("src/backtrace/processor.hpp", "ucontext.h"): "the same",
    ("src/fiber/overflow_report.cpp", "unistd.h"): "STDERR_FILENO",
    ("src/fiber/unwind.cpp", "unistd.h"): "STDERR_FILENO",
    ("src/heap/collect.cpp", "chrono"): "how long a collection took; the clock of os is for signal handlers",
    ("include/ramie/task.hpp", "chrono"): "types of durations and points in time; whoever reads a clock asks the scheduler's",
    ("include/ramie/select.hpp", "chrono"): "a type: how long an arm waits",
    ("include/ramie/interval.hpp", "chrono"): "a type: how long a period is",
    ("include/ramie/offload.hpp", "chrono"): "a type: how long a thread is kept",
    ("include/ramie/stall_watch.hpp", "chrono"): "a type: how long a stall lasts",
    ("include/ramie/throttle.hpp", "chrono"): "a type: how long a period is",
    ("include/ramie/selector.hpp", "chrono"): "a type: how long a select waits",
    ("include/ramie/context/switch_ucontext.hpp", "ucontext.h"): "the portable twin is made of swapcontext",
}

faults, needed, files = [], set(), 0
for path in sorted([*(root / "src").rglob("*"), *(root / "include").rglob("*")]):
    if path.suffix not in (".hpp", ".cpp") or path.parent == root / "src/os":
        continue
    relative = str(path.relative_to(root))
    files += 1
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = re.sub(r'"(\\.|[^"\\])*"', '""', line) if "#include" not in line else line
        include = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
        found = [include.group(1)] if include and headers.fullmatch(include.group(1)) else []
        found += [] if include else calls.findall(line.split("//")[0])
        for what in found:
            if (relative, what) in may:
                needed.add((relative, what))
            else:
                faults.append(f"{relative}:{number}: {what}: only the room `os` makes system calls")
faults += [f"tests/house/system_call_test.py: {path} needs no exception for {what}" for path, what in may.keys() - needed]

print("\n".join(faults) if faults else f"system call test: {files} files outside of os, {len(may)} exceptions")
sys.exit(1 if faults else 0)
