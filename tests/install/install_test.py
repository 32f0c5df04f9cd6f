#!/usr/bin/env python3
"""An installed ramie is all that a project needs: copies examples/00_hello and a program with tasks elsewhere, builds
them and runs them.

  package        installs the build at hand; find_package() with CMAKE_PREFIX_PATH only, both compilers; pkg-config
  subdirectory   the same program with add_subdirectory(): the library alone, and no flags of ours in the user's code
  shared         the library as a shared one: what it exports and what it needs
"""
import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parents[2]
arguments = argparse.ArgumentParser()
arguments.add_argument("what", choices=["package", "subdirectory", "shared"])
arguments.add_argument("--build", help="the build to install (package)")
arguments.add_argument("--options", default="", help="cmake options that another build of the library must be given")
options = arguments.parse_args()
cache_options = shlex.split(options.options)
if shutil.which("ccache"):
    cache_options.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")

expected = "hello from two stacks, world\none -> 3\ntwo -> 6\nthree -> 11\n"
# libstdc++ brings libm and libgcc_s; the loader and the vdso are not libraries.
# liburing is what tasks wait with, where the machine that builds has it.
may_need = {"libc.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libramie-fiber.so.0.1", "libramie.so.0.1"}
tasks_may_need = may_need | {"liburing.so.2"}
failures = 0


def fail(text, output=""):
    global failures
    failures += 1
    print(f"FAILED: {text}")
    print("".join(f"    {line}\n" for line in output.splitlines()[-25:]), end="")


def run(*command, env=None, cwd=None):
    """The output; a command that fails ends the test."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=env, cwd=cwd)
    if done.returncode != 0:
        fail(f"exit {done.returncode}: {' '.join(map(str, command))}", done.stdout + done.stderr)
        sys.exit(1)
    return done.stdout


def expect(holds, text, output=""):
    if not holds:
        fail(text, output)


def needed(program):
    return set(re.findall(r"^\s*(lib\S+)(?: =>|$)", run("ldd", program), re.M))


def build_and_run(source, build, *settings, env=None):
    """Configures, builds and runs hello; returns its compile command."""
    run("cmake", "-G", "Ninja", "-S", source, "-B", build, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *settings, env=env)
    run("cmake", "--build", build, "-j", "2", env=env)
    output = run(build / "hello", env=env)
    expect(output == expected, f"{build.name} printed something else", output)
    expect(needed(build / "hello") <= may_need, f"{build.name} needs {sorted(needed(build / 'hello') - may_need)}")
    commands = json.loads((build / "compile_commands.json").read_text())
    return next(entry["command"] for entry in commands if entry["file"].endswith("main.cpp") and "hello" in entry["file"])


tasks_project = """cmake_minimum_required(VERSION 3.22)
project(tasks LANGUAGES CXX)
find_package(ramie REQUIRED)
add_executable(tasks main.cpp)
target_link_libraries(tasks PRIVATE ramie::ramie)
"""


def elsewhere(place):
    """A copy of the example, and an environment that shows nothing but the installed tree."""
    shutil.copytree(root / "examples/00_hello", place / "hello")
    shutil.copytree(root / "examples/02_pipeline", place / "tasks")
    (place / "tasks/CMakeLists.txt").write_text(tasks_project)
    return {"PATH": os.environ["PATH"], "HOME": str(place), "CMAKE_PREFIX_PATH": str(place / "prefix")}


def build_and_run_tasks(source, build, *settings, env=None):
    """The same for a program of tasks; that it ends well is what is asked of it."""
    run("cmake", "-G", "Ninja", "-S", source, "-B", build, *settings, env=env)
    run("cmake", "--build", build, "-j", "2", env=env)
    run(build / "tasks", env=env)
    unneeded = needed(build / "tasks") - tasks_may_need
    expect(not unneeded, f"{build.name} needs {sorted(unneeded)}")


def refuses_both(place, env):
    """Fibers with tasks and fibers without them in one program would be two runtimes."""
    both = place / "both"
    shutil.copytree(place / "tasks", both)
    lines = (both / "CMakeLists.txt").read_text()
    (both / "CMakeLists.txt").write_text(lines.replace("ramie::ramie", "ramie::ramie ramie::fiber"))
    done = subprocess.run(["cmake", "-G", "Ninja", "-S", both, "-B", place / "build-both"], capture_output=True, text=True,
                          env=env)
    expect(done.returncode != 0 and "RAMIE_LIBRARY" in done.stderr, "linking both libraries is refused", done.stderr)


def by_pkg_config(place, package, source, env):
    folders = ":".join(str(path.parent) for path in (place / "prefix").rglob(f"{package}.pc"))
    flags = run("pkg-config", "--cflags", "--libs", package, env=env | {"PKG_CONFIG_PATH": folders}).split()
    program = place / f"by-pkg-config-{package}"
    run("g++", "-std=c++20", "-O2", source, *flags, "-o", program, env=env)
    library = next((place / "prefix").rglob(f"lib{package}.*")).parent
    return run(program, env=env | {"LD_LIBRARY_PATH": str(library)})


def check_guard_flag(command):
    cache = "RAMIE_STACK_CLASH_PROTECTION=OFF" in options.options or os.uname().machine != "x86_64"
    expect(("-fstack-clash-protection" in command) != cache, "linking ramie::fiber brings -fstack-clash-protection", command)


def try_package(place):
    run("cmake", "--install", options.build, "--prefix", place / "prefix")
    env = elsewhere(place)
    for compiler in ("g++", "clang++-14"):
        if not shutil.which(compiler):
            print(f"skipped: the installed package with {compiler}: it is not installed")
            continue
        command = build_and_run(place / "hello", place / f"build-{compiler}", f"-DCMAKE_CXX_COMPILER={compiler}",
                                "-DCMAKE_BUILD_TYPE=Release", env=env)
        expect(str(root) not in command, "an installed header is used, not the source tree", command)
        check_guard_flag(command)
        build_and_run_tasks(place / "tasks", place / f"build-tasks-{compiler}", f"-DCMAKE_CXX_COMPILER={compiler}",
                            "-DCMAKE_BUILD_TYPE=Release", env=env)
    refuses_both(place, env)
    for path in (place / "prefix").rglob("*"):
        if path.suffix in (".cmake", ".pc", ".hpp") and str(root) in path.read_text():
            fail(f"{path.relative_to(place)} names the source tree")
    if shutil.which("pkg-config"):
        output = by_pkg_config(place, "ramie-fiber", place / "hello/main.cpp", env)
        expect(output == expected, "the program built by pkg-config printed something else", output)
        by_pkg_config(place, "ramie", place / "tasks/main.cpp", env)
    else:
        print("skipped: building by pkg-config: it is not installed")


def try_subdirectory(place):
    elsewhere(place)
    lines = (place / "hello/CMakeLists.txt").read_text()
    (place / "hello/CMakeLists.txt").write_text(lines.replace("find_package(ramie REQUIRED)", f'add_subdirectory("{root}" ramie)'))
    command = build_and_run(place / "hello", place / "build-subdirectory", *cache_options)
    expect("-W" not in command.replace("-Wl,", ""), "no warning flag of ours reaches the user's code", command)
    check_guard_flag(command)
    built = [path.name for path in (place / "build-subdirectory").rglob("*.o")]
    expect(not any("_test" in name for name in built), "a consumer does not build our tests", "\n".join(built))
    expect(not (place / "build-subdirectory/ramie/apps").exists(), "a consumer does not build the command")


def names_in(file):
    return {line for line in (root / "tests/install" / file).read_text().splitlines() if line[:1] != "#"}


def check_exports(place, name, file, also=None, may_need=may_need):
    """What a shared library exports is what its list names, and that of the library that it holds."""
    library = next((place / "prefix").rglob(name))
    symbols = [line.split()[-1] for line in run("nm", "-D", "--defined-only", library).splitlines()]
    foreign = [symbol for symbol in symbols if not re.match(r"_ZT?[A-Z]*N?K?5ramie|ramie_", symbol)]
    expect(symbols and not foreign, f"{name} exports only its own names, not {foreign[:5]}")
    names = set(run("c++filt", *symbols).splitlines())
    allowed = names_in(file) | (names_in(also) if also else set())
    if "ucontext" in options.options:
        allowed |= {"ramie_baton_v0"}
    expect(names <= allowed, f"{name} exports what tests/install/{file} does not list", "\n".join(sorted(names - allowed)))
    expect(allowed <= names, f"{name} does not export what {file} lists", "\n".join(sorted(allowed - names)))
    unneeded = needed(library) - may_need
    expect(not unneeded, f"{name} needs {sorted(unneeded)} beyond libc and libstdc++")
    print(f"shared: {name}: {len(symbols)} symbols exported, needs {', '.join(sorted(needed(library)))}")


def try_shared(place):
    run("cmake", "-G", "Ninja", "-S", root, "-B", place / "ramie", "-DBUILD_SHARED_LIBS=ON", "-DRAMIE_BUILD_APPS=OFF",
        "-DCMAKE_BUILD_TYPE=Release", *cache_options)
    run("cmake", "--build", place / "ramie", "-j", "2")
    run("cmake", "--install", place / "ramie", "--prefix", place / "prefix")
    check_exports(place, "libramie-fiber.so", "exported_names.txt")
    check_exports(place, "libramie.so", "exported_names_of_tasks.txt", also="exported_names.txt",
                  may_need=tasks_may_need)
    env = elsewhere(place)
    build_and_run(place / "hello", place / "build-shared", "-DCMAKE_BUILD_TYPE=Release", env=env)
    expect("libramie-fiber.so.0.1" in needed(place / "build-shared/hello"), "hello uses the shared library")
    build_and_run_tasks(place / "tasks", place / "build-tasks-shared", "-DCMAKE_BUILD_TYPE=Release", env=env)
    expect("libramie.so.0.1" in needed(place / "build-tasks-shared/tasks"), "tasks uses the shared library")


with tempfile.TemporaryDirectory(prefix="ramie-install-") as directory:
    {"package": try_package, "subdirectory": try_subdirectory, "shared": try_shared}[options.what](pathlib.Path(directory))
    print(f"install: {options.what}: {failures} failures")
sys.exit(1 if failures else 0)
