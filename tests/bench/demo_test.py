"""ramie demo limit|overflow|first|hog: the failure is shown and so is the cure.  demo_test.py RAMIE DEMO"""
import subprocess
import sys

ramie, demo = sys.argv[1:]
done = subprocess.run([ramie, "demo", demo, "--quick"], capture_output=True, text=True, timeout=100)
expected = {
    "limit": ["The failure", "The cure", "fibers started, each with its own guard", "of guard ("],
    "overflow": ["The failure", "The cure", "are overwritten", "killed by signal"],
    "hog": ["nobody knows why", "task 'match', spawned at demo_hog.cpp:", "backtrack", "let others run after", "came"],
    "first": ["The failure", "The cure", "0 are in use", "no stack"],
}[demo]
if done.returncode != 0:
    sys.exit(f"exit status {done.returncode}: {done.stdout}{done.stderr}")
for text in expected:
    if text not in done.stdout:
        sys.exit(f"{text!r} is missing in: {done.stdout}{done.stderr}")
if demo == "overflow" and "stack overflow in fiber 'digger'" not in done.stderr:
    sys.exit(f"no report of the overflow: {done.stderr}")
if demo == "limit" and "no limit met" in done.stdout:
    print("skipped: the failure of demo limit: vm.max_map_count was raised here")
elif demo == "limit" and "Cannot allocate memory" not in done.stdout:
    sys.exit(f"the seed's message is missing: {done.stdout}")
