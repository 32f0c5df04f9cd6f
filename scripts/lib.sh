# Shared by the tiers: build a preset, run its tests, collect what was skipped.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=${JOBS:-$(nproc)}
# Where ccache is installed, a clone in another folder finds what this one has compiled.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
started=$SECONDS
step() { printf '\n== %s (at %d s)\n' "$*" $((SECONDS - started)); }

# find_boost: Debian's versions of Boost exclude each other, so the one that tests and benchmarks use is unpacked beside
# an installed other one, where cmake/boost.cmake looks. Installs nothing.
find_boost() {
  local boost=$PWD/build/boost-1.81 version
  version=$(sed -n 's/^#define BOOST_LIB_VERSION "\(.*\)"/\1/p' /usr/include/boost/version.hpp 2>/dev/null || true)
  if [ "$version" = 1_81 ] || [ -d "$boost/usr/include/boost" ]; then return 0; fi
  if ! command -v apt-get >/dev/null || [ -n "${RAMIE_NO_APT:-}" ]; then
    echo "skipped: Boost 1.81: the system has ${version:-none}, and nothing is to be fetched"
    return 0
  fi
  echo "Unpacking Boost 1.81 into $boost (the system has ${version:-none}; nothing is installed)"
  mkdir -p "$boost/packages"
  if ! (cd "$boost/packages" && apt-get download libboost1.81-dev libboost-{context,fiber}1.81-dev &&
        for package in *.deb; do dpkg-deb -x "$package" "$boost"; done) >build/boost-1.81.log 2>&1; then
    echo "skipped: Boost 1.81: $(tail -1 build/boost-1.81.log)"
    rm -rf "$boost"
  fi
}

# build PRESET [cmake options...] [-- targets...]      without targets all of it
build() {
  local preset=$1 log options=() targets=()
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1"); shift; done
  if [ $# -gt 1 ]; then shift; targets=(--target "$@"); fi
  log=build/$preset.log
  mkdir -p build
  if ! { cmake --preset "$preset" "${options[@]}" && cmake --build --preset "$preset" -j "$jobs" "${targets[@]}"; } >"$log" 2>&1; then
    grep -E 'error|Error|warning:|FAILED' -A4 "$log" | head -60
    echo "build of preset $preset failed; the whole log is $log"
    return 1
  fi
}

# run_tests PRESET [ctest options...]: prints the summary, the failures and each skipped test with its reason.
run_tests() {
  local preset=$1 log status=0
  shift
  log=build/$preset.tests.log
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$jobs" "$@" >"$log" 2>&1 || status=$?
  if [ $status -ne 0 ]; then
    sed -n '/\*\*\*Failed/p;/^The following tests FAILED/,$p' "$log" | head -40
    grep -E '^\[  FAILED|: Failure|Failure$' -A6 "$log" | head -80
    echo "tests of preset $preset failed; the whole log is $log"
  fi
  grep -E 'tests passed' "$log" || true
  grep -hE '^skipped: ' "build/$preset/Testing/Temporary/LastTest.log" 2>/dev/null | sort | uniq -c | sed 's/^/  /' || true
  return $status
}
