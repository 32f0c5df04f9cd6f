# Two commands: `make run` and `make test`. Each installs what is missing (Debian 12), builds, and does its job.
#
#   make run          build the command, show it, serve a site       make check        the inner loop, <= 3 min
#   make test         everything a change must pass, <= 15 min      make test-matrix  everything x everything, <= 40 min
#   make bench        ours and the peers', alternating               make soak         hours, on demand
#   make deb          four Debian packages in build/deb
SHELL := /bin/bash
JOBS ?= $(shell nproc)

.PHONY: run test check test-matrix soak bench deb format tidy clean setup-run setup-test
run: setup-run
	@scripts/run

check: setup-test
	@scripts/check

test: setup-test
	@scripts/test

test-matrix: setup-test
	@scripts/test-matrix

soak: setup-test
	@scripts/soak

bench: setup-test
	@scripts/bench

setup-run:
	@scripts/setup run

setup-test:
	@scripts/setup test

deb: setup-test
	@packaging/deb/build

format:
	@git ls-files '*.hpp' '*.cpp' '*.h' '*.c' | xargs clang-format-14 -i

clean:
	rm -rf build
