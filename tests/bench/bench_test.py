"""ramie bench, once over: what it prints, the keys of its JSON, what it refuses. Never a time.

    bench_test.py RAMIE CASE [PEER]
"""
import json
import os
import resource
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

ramie = sys.argv[1]
ROW = {"case": str, "library": str, "n": int, "unit": str, "median": (int, float), "min": (int, float),
       "max": (int, float), "runs": int}


def run(*arguments, program=ramie, **options):
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=100, **options)


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def check_results(document, name="fibers"):
    check({"bench", "machine", "results"} <= document.keys(), "the object has bench, machine, results")
    check(document["bench"] == name, f"bench is {name}")
    check({"cpu", "cores", "kernel"} <= document["machine"].keys(), "machine has cpu, cores, kernel")
    for row in document["results"]:
        for key, kind in ROW.items():
            check(isinstance(row.get(key), kind), f"{key} in {row}")
        check(row["min"] <= row["median"] <= row["max"], f"the median lies between in {row}")


def the_tables_name_the_guard_and_the_threads_rows():
    done = run("bench", "fibers", "--smoke")
    check(done.returncode == 0, done.stderr)
    for text in ("guard", "vm.max_map_count", "overcommit mode", "transparent huge pages", "swap", "11.00 M", "31,744",
                 "Try next", "ramie demo limit", "ramie doctor", "examples/00_hello"):
        check(text in done.stdout, f"{text!r} is printed")
    check(done.stderr == "", "no progress bar without a terminal")


def bench_scheduler_prints_every_case():
    done = run("bench", "scheduler", "--smoke", "--json")
    check(done.returncode == 0, done.stderr)
    document = json.loads(done.stdout)
    check_results(document, "scheduler")
    cases = {row["case"] for row in document["results"]}
    for case in ("yield", "spawn_join", "channel", "channel_unbuffered", "fan_in", "mutex", "mutex_shared",
                 "mutex_contended", "mutex_handover", "memory", "sleepers_lateness_p99", "sleepers_processor",
                 "starvation_p99", "starvation_p99_without_reduce"):
        check(case in cases, f"case {case}")
    done = run("bench", "scheduler", "--smoke", "--json", "--case", "mutex")
    check({row["case"].split("_")[0] for row in json.loads(done.stdout)["results"]} == {"mutex"}, "one case alone")
    check(run("bench", "scheduler", "--case", "nothing").returncode == 2, "--case nothing: usage")


def the_scheduler_peer_prints_the_same_object():
    done = run("--smoke", program=sys.argv[3])
    check(done.returncode == 0, done.stderr)
    document = json.loads(done.stdout)
    check_results(document, "scheduler")
    rows = {(row["case"], row["unit"]) for row in document["results"]}
    for case in ("yield", "spawn_join", "channel", "fan_in", "mutex", "mutex_contended", "sleepers_processor",
                 "starvation_p99"):
        check((case, "ratio_to_boost.fiber") in rows, f"a ratio of {case}")
    check(("memory_resident", "bytes_each") in rows, "memory")
    for wrong in (["0"], ["x"], ["--case", "nothing"], ["--case"]):
        check(run(*wrong, program=sys.argv[3]).returncode == 2, f"{wrong}: usage")


def check_io(document, libraries):
    check_results(document, "io")
    for note in document["notes"]:
        if "not measured" in note:
            print(f"skipped: bench io: {note}")
        if "ramie-uring is not measured" in note:
            libraries = libraries - {"ramie-uring"}
    rows = {(row["case"], row["library"], row["unit"]) for row in document["results"]}
    for library in libraries:
        for unit in ("cpu_us_each", "requests_per_second", "p50_us", "p99_us"):
            check(("echo", library, unit) in rows, f"{library}: {unit}")
        check(("idle_connection", library, "bytes_each") in rows, f"{library}: idle_connection")
        if library.startswith("ramie"):
            for other in libraries:
                check(other.startswith("ramie") or ("echo", library, f"ratio_to_{other}") in rows,
                      f"{library}: ratio to {other}")


def bench_io_prints_every_server():
    done = run("bench", "io", "--smoke", "--json")
    check(done.returncode == 0, done.stderr)
    check_io(json.loads(done.stdout), {"ramie-uring", "ramie-epoll", "epoll-by-hand"})
    done = run("bench", "io", "--smoke", "--case", "idle_connection")
    check(done.returncode == 0 and "idle_connection" in done.stdout, done.stderr)
    check("cpu_us_each" not in done.stdout, "one case alone")
    check(run("bench", "io", "--case", "nothing").returncode == 2, "--case nothing: usage")


def the_io_peer_prints_the_same_object():
    done = run("--smoke", program=sys.argv[3])
    check(done.returncode == 0, done.stderr)
    check_io(json.loads(done.stdout), {"ramie-uring", "ramie-epoll", "epoll-by-hand", "asio", "asio-stackful"})
    for wrong in (["0"], ["--case", "nothing"], ["--case"]):
        check(run(*wrong, program=sys.argv[3]).returncode == 2, f"{wrong}: usage")


def bench_cow_prints_every_case():
    done = run("bench", "cow", "--smoke", "--json")
    check(done.returncode == 0, done.stderr)
    document = json.loads(done.stdout)
    check(document["bench"] == "cow", "bench is cow")
    cases = {row["case"] for row in document["results"]}
    for case in ("child_private_dirty_after_collection", "child_private_dirty_after_allocations", "family_pss_ratio",
                 "roots_no_fiber_ran", "roots_1_percent_ran"):
        check(case in cases, f"case {case}")


def the_json_has_every_case_and_unit():
    done = run("bench", "fibers", "--smoke", "--json", "--counters")
    check(done.returncode == 0, done.stderr)
    document = json.loads(done.stdout)
    check_results(document)
    cases = {row["case"] for row in document["results"]}
    for case in ("resume_yield", "resume_yield_nested", "resume_batch", "transfer", "create", "cold_create",
                 "live_guarded"):
        check(case in cases, f"case {case}")
    units = {row["unit"] for row in document["results"] if row["case"] == "live_guarded"}
    check(units == {"mappings", "rss_bytes_each", "page_table_bytes_each", "virtual_bytes_each", "faults_each",
                    "kernel_ns_each"}, f"units of live_guarded: {units}")
    for note in document["notes"]:
        if note.startswith("counters not available"):
            print(f"skipped: processor counters: {note}")


def the_plot_is_svg_with_ours_a_peer_and_the_thread():
    with tempfile.TemporaryDirectory() as folder:
        peers, plot = os.path.join(folder, "peers.json"), os.path.join(folder, "plot.svg")
        rows = [{"case": "resume_yield", "library": "a <peer>", "n": n, "unit": "ns", "median": 9.0, "min": 9.0,
                 "max": 9.0, "runs": 1} for n in (1, 64, 4096)]
        with open(peers, "w") as file:
            json.dump({"bench": "fibers", "machine": {}, "results": rows}, file)
        done = run("bench", "fibers", "--smoke", "--plot", plot, "--peers", peers)
        check(done.returncode == 0, done.stderr)
        text = "".join(xml.etree.ElementTree.parse(plot).getroot().itertext())
        for name in ("ramie, 68 KiB slots", "a <peer>", "the thread"):
            check(name in text, f"{name!r} is in the plot")
        done = run("bench", "fibers", "--smoke", "--plot", os.path.join(folder, "no", "such.svg"))
        check(done.returncode == 1 and "cannot write" in done.stderr, "a plot that cannot be written is said at once")
        done = run("bench", "fibers", "--smoke", "--plot", plot, "--peers", plot)
        check(done.returncode == 1 and "not a file of benchmark results" in done.stderr, "a peers' file must be one")


def absurd_numbers_get_a_usage_line():
    for wrong in ("0", "-1", "1000000000000", "99999999999999999999999", "many", "1e6", "", "3.5"):
        done = run("bench", "fibers", "--max", wrong)
        check(done.returncode == 2, f"--max {wrong!r}: exit status {done.returncode}")
        check("usage:" in done.stderr and done.stdout == "", f"--max {wrong!r}: a usage line on stderr")
    for wrong in (["bench"], ["bench", "nothing"], ["bench", "fibers", "--fast"], ["demo"], ["demo", "nothing"],
                  ["bench", "fibers", "--peers", "/no/such/file"]):
        done = run(*wrong)
        check(done.returncode == 2 and "usage:" in done.stderr, f"{wrong}: a usage line, exit status 2")
    done = run("bench", "fibers", "--smoke", env={**os.environ, "RAMIE_GUARD": "nonsense"})
    check(done.returncode == 1 and "nonsense" in done.stdout, "a guard that does not exist measures nothing")


def a_limit_on_address_space_is_a_note_and_not_a_crash():
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

    done = run("bench", "fibers", "--smoke", preexec_fn=limit)
    if "AddressSanitizer" in done.stderr or "ThreadSanitizer" in done.stderr:
        print("skipped: a limit on address space: sanitizers need terabytes of it")
        return
    check(done.returncode == 0, f"exit status {done.returncode}: {done.stderr}")
    check("RLIMIT_AS) 1024 MiB" in done.stdout, "the limit is printed")


def the_guards_table_answers_each_question():
    done = run("bench", "guards", "--smoke")
    check(done.returncode == 0, done.stderr)
    for text in ("mprotect-in-one-mapping", "two-mmaps", "growsdown", "map-populate", "no-guard", "ramie-mprotect",
                 "overwrites its neighbour", "SIGSEGV", "dontneed", "make, run, drop"):
        check(text in done.stdout, f"{text!r} is printed")
    done = run("bench", "guards", "--smoke", "--json")
    check(done.returncode == 0, done.stderr)
    document = json.loads(done.stdout)
    check_results(document, "guards")
    rows = {(row["case"], row["library"], row["unit"]): row["median"] for row in document["results"]}
    hits = {library: value for (case, library, unit), value in rows.items() if (case, unit) == ("hit", "signal")}
    check(hits["no-guard"] == 0, "without a guard a write below the stack survives")
    for library, signal in hits.items():
        if library.startswith("ramie-"):
            check(signal in (7, 11), f"{library} is hit: {signal}")
    for unit in ("ns_each", "kernel_ns_each", "faults_each", "rss_bytes_each", "mappings"):
        check(("guard", "two-mmaps", unit) in rows, f"unit {unit}")
    for note in document["notes"]:
        if "does not work here" in note or "refused" in note:
            print(f"skipped: bench guards: {note}")
    for wrong in (["--max", "1"], ["--max", "1e6"], ["--plot", "x"]):
        check(run("bench", "guards", *wrong).returncode == 2, f"{wrong}: a usage line")


def the_peer_prints_the_same_object():
    done = run("--smoke", program=sys.argv[3])
    check(done.returncode == 0, done.stderr)
    document = json.loads(done.stdout)
    check_results(document)
    units = {row["unit"] for row in document["results"]}
    check("ratio_to_boost.context" in units, "ratios are there")
    for wrong in ("0", "-1", "x"):
        check(run(wrong, program=sys.argv[3]).returncode == 2, f"{wrong}: usage")


def generators_once_over():
    done = run("bench", "generators", "--smoke")
    check(done.returncode == 0, done.stderr)
    for text in ("sum", "tree", "plain-loop", "make_one_destructor", "stacks_in_use 0"):
        check(text in done.stdout, f"{text!r} is printed")
    done = run("bench", "generators", "--smoke", "--json")
    check(done.returncode == 0, done.stderr)
    document = json.loads(done.stdout)
    check_results(document, "generators")
    cases = {row["case"] for row in document["results"]}
    check({"sum", "tree", "first", "make_one"} <= cases, f"cases: {cases}")
    check(all(row["median"] >= 0 for row in document["results"] if row["unit"] == "ns"), "every loop saw its values")
    check(run("bench", "generators", "--max", "0").returncode == 2, "--max 0: usage")


def the_generators_peer_prints_the_same_object():
    done = run("--smoke", program=sys.argv[3])
    check(done.returncode == 0, done.stderr)
    document = json.loads(done.stdout)
    check_results(document, "generators")
    check("ratio_to_boost.coroutine2" in {row["unit"] for row in document["results"]}, "ratios are there")
    check(run("--wrong", program=sys.argv[3]).returncode == 2, "--wrong: usage")


{
    "generators": generators_once_over,
    "generators_peer": the_generators_peer_prints_the_same_object,
    "smoke": the_tables_name_the_guard_and_the_threads_rows,
    "json": the_json_has_every_case_and_unit,
    "plot": the_plot_is_svg_with_ours_a_peer_and_the_thread,
    "refusals": absurd_numbers_get_a_usage_line,
    "short_memory": a_limit_on_address_space_is_a_note_and_not_a_crash,
    "scheduler_peer": the_scheduler_peer_prints_the_same_object,
    "scheduler": bench_scheduler_prints_every_case,
    "io": bench_io_prints_every_server,
    "io_peer": the_io_peer_prints_the_same_object,
    "cow": bench_cow_prints_every_case,
    "guards": the_guards_table_answers_each_question,
    "peer": the_peer_prints_the_same_object,
}[sys.argv[2]]()
