#!/usr/bin/env python3
"""Joins the results of ours and of the peers, checks them against the targets, prints both.

    ratios.py OUT.json OURS.json PEER.json...      exit status 1 when a file is not what a benchmark prints
"""
import json
import sys

ROW = {"case": str, "library": str, "n": int, "unit": str, "median": (int, float), "min": (int, float),
       "max": (int, float), "runs": int}


def load(name):
    with open(name) as file:
        document = json.load(file)
    for key in ("bench", "machine", "results"):
        if key not in document:
            sys.exit(f"{name}: no {key!r}")
    for row in document["results"]:
        for key, kind in ROW.items():
            if not isinstance(row.get(key), kind):
                sys.exit(f"{name}: {key!r} is missing or of the wrong type in {row}")
    return document


class Table:
    def __init__(self, results):
        self.rows = {(r["case"], r["library"], r["n"], r["unit"]): r for r in results}

    def median(self, case, library, n, unit="ns"):
        row = self.rows.get((case, library, n, unit))
        return None if row is None else row["median"]

    def ratio(self, case, library, n, peer="boost.context"):
        return self.median(case, library, n, f"ratio_to_{peer}")

    def sizes(self, case, low=1, high=1 << 62):
        return sorted({n for (c, _, n, u) in self.rows if c == case and low <= n <= high and u.startswith("ratio_to_")})


def collector():
    """A list of (what, limit, worst value, verdict), and what adds to it."""
    out = []

    def add(what, limit, values, better=lambda value, limit: value <= limit):
        values = [v for v in values if v is not None]
        if not values:
            out.append((what, limit, "not measured", ""))
        else:
            worst = max(values)
            missed = sum(not better(v, limit) for v in values)
            verdict = "met" if missed == 0 else f"MISSED at {missed} of {len(values)} sizes"
            out.append((what, limit, f"{worst:.2f}", verdict))

    return out, add


def generator_targets(table):
    out, add = collector()

    def size(case):
        return next((n for (c, lib, n, u) in table.rows if (c, lib, u) == (case, "ramie", "ns")), 0)

    for case, limit in (("sum", 4), ("tree", 6), ("make_one", 60)):
        add(f"{case}, ns", limit, [table.median(case, "ramie", size(case))])
    for case, limit in (("sum", 0.25), ("tree", 0.3)):
        for peer in ("boost.coroutine2", "boost.coroutine2-pooled"):
            add(f"{case} to {peer}", limit, [r["median"] for (c, _, _, u), r in table.rows.items()
                                             if c == case and u == f"ratio_to_{peer}"])
    loop = table.median("first", "plain-loop", size("first"))
    mine = table.median("first", "ramie", size("first"))
    add("first to the plain loop", 1.05, [mine / loop] if loop and mine else [])
    for unit in ("mappings_more", "stacks_more", "stacks_in_use"):
        add(f"make_one: {unit}", 0, [table.median("make_one", "ramie", size("make_one"), unit)])
    return out


# Of the schedulers' table: yield, by the number of tasks, to Boost.Fiber and in nanoseconds for the wish.
YIELD_RATIOS = {100: 0.35, 10000: 0.4, 100000: 0.2, 1000000: 0.2}
YIELD_WISHES = {100: 8, 10000: 12, 100000: 20, 1000000: 30}


def scheduler_targets(table):
    out, add = collector()
    libraries = sorted({lib for (_, lib, _, _) in table.rows if lib.startswith("boost.fiber")})

    def all_of(case, library="ramie", unit="ns"):
        return [r["median"] for (c, lib, _, u), r in table.rows.items() if (c, lib, u) == (case, library, unit)]

    for n, limit in YIELD_RATIOS.items():
        for peer in libraries:
            if ("yield", peer, n, "ns") in table.rows:
                add(f"yield, {n:,} tasks, to {peer}", limit, [table.ratio("yield", "ramie", n, peer)])
    for n, limit in YIELD_WISHES.items():
        add(f"yield, {n:,} tasks, ns (a wish)", limit, [table.median("yield", "ramie", n)])
    for case, limit in (("spawn_join", 60), ("channel", 30), ("channel_unbuffered", 30), ("fan_in", 40),
                        ("fan_in_unbuffered", 40), ("mutex", 3), ("mutex_shared", 6)):
        add(f"{case}, ns", limit, all_of(case))
    # A hand-over is one switch; the switch pair of which the target speaks is two yields of two tasks.
    switch = table.median("yield", "ramie", 2)
    handover = table.median("mutex_handover", "ramie", 2)
    add("mutex_handover, ns more than a pair of switches", 10,
        [] if switch is None or handover is None else [handover - 2 * switch])
    for case, limit in (("sleepers_lateness_p50", 0.6), ("sleepers_lateness_p99", 2), ("sleepers_processor", 120),
                        ("starvation_p99", 3)):
        add(f"{case}, ms", limit, all_of(case, unit="ms"))
    for peer in libraries:
        if all_of("sleepers_processor", peer, "ms"):
            add(f"sleepers_processor to {peer}", 0.3, all_of("sleepers_processor", unit=f"ratio_to_{peer}"))
    add("starvation_p99_without_reduce, ms: starved", 3, all_of("starvation_p99_without_reduce", unit="ms"),
        lambda value, limit: value > limit)
    add("memory, bytes of control data for a parked task", 200, all_of("memory", unit="bytes_each"))
    return out


def io_targets(table):
    out, add = collector()
    limits = {("ramie-epoll", 100): 1.05, ("ramie-uring", 100): 0.85, ("ramie-epoll", 10000): 1.05,
              ("ramie-uring", 10000): 1.05}
    for (library, n), limit in limits.items():
        add(f"echo, {n:,} connections, {library} to the loop by hand", limit,
            [table.ratio("echo", library, n, "epoll-by-hand")])
    for library in ("ramie-uring", "ramie-epoll"):
        p99 = {lib: r["median"] for (c, lib, n, u), r in table.rows.items() if (c, n, u) == ("echo", 10000, "p99_us")}
        others = [value for lib, value in p99.items() if not lib.startswith("ramie")]
        add(f"echo, 10,000 connections, p99 of {library} to the best of the others", 1,
            [p99[library] / min(others)] if library in p99 and others else [])
    for library in ("ramie-uring", "ramie-epoll"):
        add(f"idle_connection, bytes each, {library}", 5.5 * 1024,
            [r["median"] for (c, lib, _, _), r in table.rows.items() if (c, lib) == ("idle_connection", library)])
    add("system calls for a request at 100 connections, ramie-uring", 0.5,
        [table.median("system_calls", "ramie-uring", 100, "calls_each")])
    return out


def targets(table):
    """What we set out to reach: what, the worst value in the range, the limit, met or not."""
    out, add = collector()

    def worst(case, library, low, high):
        return [table.ratio(case, library, n) for n in table.sizes(case, low, high)]

    top = 1 << 20
    for library, name in (("ramie", "68 KiB slots"), ("ramie-16k", "16 KiB slots")):
        add(f"inlined, 1 to 16,384, {name}", 0.5, worst("resume_yield", library, 1, 16384))
    add("nested, below 4,096", 0.9, worst("resume_yield_nested", "ramie", 1, 4095))
    add("nested, from 4,096", 0.6, worst("resume_yield_nested", "ramie", 4096, top))
    add("inlined at 2^20, 16 KiB slots", 0.5, [table.ratio("resume_yield", "ramie-16k", top)])
    add("inlined at 2^20, 68 KiB slots", 0.7, [table.ratio("resume_yield", "ramie", top)])
    add("batch at 2^20, 16 KiB slots", 0.3, [table.ratio("resume_batch", "ramie-16k", top)])
    add("batch at 2^20, 68 KiB slots", 0.55, [table.ratio("resume_batch", "ramie", top)])
    for library in ("ramie", "ramie-16k"):
        add(f"transfer, 2 to 10,000, {library}", 0.8, worst("transfer", library, 2, 10000))
        add(f"transfer, from 100,000, {library}", 0.5, worst("transfer", library, 100000, top))
    add("create hot, to pooled unguarded", 1.0, [table.ratio("create", "ramie", 1, "boost.context-pooled")])
    for library, raw in (("ramie", "raw"), ("ramie-16k", "raw-16k")):
        for (case, lib, n, unit) in list(table.rows):
            if (case, lib, unit) == ("cold_create", library, "ns"):
                anchor = table.median("guard_and_touch", raw, n)
                add(f"cold create to guard and touch, {library}", 1.3,
                    [table.median(case, lib, n) / anchor] if anchor else [])
                add(f"page faults each, {library}", 1.1, [table.median(case, lib, n, "faults_each")])
        def live(unit):
            return [table.median("live_guarded", library, 1000000, unit)]
        add(f"a million alive: mappings, {library}", 99, live("mappings"))
        add(f"a million alive: resident bytes each, {library}", 4.4 * 1024, live("rss_bytes_each"))
        add(f"a million alive: page tables each, {library}", 140 if library == "ramie" else 40,
            live("page_table_bytes_each"))
    return out


def print_peers(table, libraries):
    for case, unit in TABLES:
        print_peer_table(table, libraries, case, unit)


TABLES = [(case, "ns") for case in ("resume_yield", "resume_yield_nested", "transfer", "yield_with_scheduler", "create", "sum", "sum_next",
                 "tree", "first", "make_one", "make_one_range", "make_one_destructor", "yield", "spawn_join", "channel",
                 "channel_unbuffered", "fan_in", "fan_in_unbuffered", "mutex", "mutex_shared", "mutex_contended")]
TABLES += [(case, "ms") for case in ("sleepers_lateness_p50", "sleepers_lateness_p99", "sleepers_processor",
                                     "starvation_p99", "starvation_p99_without_reduce")]
TABLES += [("memory_resident", "bytes_each")]
TABLES += [("echo", "cpu_us_each"), ("echo", "requests_per_second"), ("echo", "p50_us"), ("echo", "p99_us"),
           ("system_calls", "calls_each"), ("idle_connection", "bytes_each")]


def print_peer_table(table, libraries, case, unit):
    names = [lib for lib in libraries if any(k[0] == case and k[1] == lib and k[3] == unit for k in table.rows)]
    sizes = sorted({k[2] for k in table.rows if k[0] == case and k[3] == unit})
    if not names or not sizes:
        return
    print(f"\n### {case}, {unit}\n\n| n | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for n in sizes:
        cells = [table.median(case, name, n, unit) for name in names]
        print(f"| {n:,} | " + " | ".join("" if c is None else f"{c:.1f}" for c in cells) + " |")


def main(out, ours_file, *peer_files):
    ours = load(ours_file)
    results, notes = list(ours["results"]), list(ours.get("notes", []))
    for name in peer_files:
        peer = load(name)
        # Our own times beside a peer serve the ratio; the ones that count are from our own run.
        results += [r for r in peer["results"]
                    if not r["library"].startswith("ramie") or r["unit"].startswith("ratio_to_")]
        notes += peer.get("notes", [])
    with open(out, "w") as file:
        head = {"bench": ours["bench"], "machine": ours["machine"], "notes": notes}
        text = json.dumps(head, indent=1)[:-2] + ',\n "results": [\n'
        text += ",\n".join("  " + json.dumps({**r, **{k: float(f"{r[k]:.5g}") for k in ("median", "min", "max")}})
                           for r in results)
        file.write(text + "\n ]\n}\n")
    table = Table(results)
    print("### against the targets\n\n| what | target | worst here | |\n|---|---|---|---|")
    reached = {"generators": generator_targets, "scheduler": scheduler_targets, "io": io_targets}.get(ours["bench"], targets)
    for what, limit, value, verdict in reached(table):
        print(f"| {what} | {limit:g} | {value} | {verdict} |")
    libraries = sorted({r["library"] for r in results if not r["library"].startswith("raw")},
                       key=lambda name: (not name.startswith("ramie"), name))
    print_peers(table, libraries)
    for note in notes:
        print(f"\nnote: {note}")


if __name__ == "__main__":
    main(*sys.argv[1:])
