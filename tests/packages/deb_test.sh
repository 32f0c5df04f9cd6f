#!/usr/bin/env bash
# The Debian packages: built, lintian-clean, installed here, used by programs that see nothing else of ramie, purged.
# Exit 77 where that cannot be tried.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
packages=(libramie0 libramie-dev ramie ramie-doctor)
skip() { echo "skipped: Debian packages: $*"; exit 77; }
command -v lintian >/dev/null || skip "no lintian"
[ "$(id -u)" = 0 ] || skip "not root, so nothing can be installed"
for package in "${packages[@]}"; do
  [ -z "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -v not-installed)" ] || skip "$package is installed here"
done

cd "$root"
RAMIE_NO_APT=1 packaging/deb/build
files=(build/deb/*.deb)
[ ${#files[@]} = 4 ] || { echo "FAILED: ${#files[@]} packages, not 4"; exit 1; }
lintian --allow-root --fail-on error,warning "${files[@]}"

# As grep -q, which goes at the first match: whoever writes on then dies of SIGPIPE, and with pipefail the whole line.
says() { grep "$@" >/dev/null; }

place=$(mktemp -d)
purge() { dpkg --purge ramie ramie-doctor libramie-dev libramie0 >/dev/null 2>&1 || true; rm -rf "$place"; }
trap purge EXIT
dpkg -i "${files[@]}" >"$place/dpkg.log" 2>&1 || { cat "$place/dpkg.log"; exit 1; }

# A stranger's project: nothing of this source in sight, the system's compiler, the system's paths.
cp -r examples/00_hello "$place/hello"
cp examples/19_c_interpreter/main.c "$place/toy.c"
cp examples/02_pipeline/main.cpp "$place/tasks.cpp"
cd "$place"
cmake -S hello -B built >cmake.log 2>&1 && cmake --build built >>cmake.log 2>&1 || { cat cmake.log; exit 1; }
built/hello | says "hello from two stacks, world"
ldd built/hello | says "libramie-fiber.so.0.1 => /"
g++ -std=c++20 hello/main.cpp $(pkg-config --cflags --libs ramie-fiber) -o by_pkg_config && ./by_pkg_config >/dev/null
g++ -std=c++20 tasks.cpp $(pkg-config --cflags --libs ramie) -o tasks && ./tasks >/dev/null
ldd tasks | says "libramie.so.0.1 => /"
gcc -std=c11 toy.c $(pkg-config --cflags --libs ramie-fiber) -o toy && ./toy | says "^1 4 7$"
ramie version | says 0.1.0
ramie demo first --quick >/dev/null
ramie-doctor $$ >/dev/null || [ $? = 1 ]
[ -f /usr/share/bash-completion/completions/ramie ]
bash -c 'source /usr/share/bash-completion/completions/ramie; COMP_WORDS=(ramie dem); COMP_CWORD=1; _ramie; [ "${COMPREPLY[*]}" = demo ]'
man --where ramie ramie-doctor >/dev/null 2>&1 || [ -f /usr/share/man/man1/ramie.1.gz ] || ls /etc/dpkg/dpkg.cfg.d | says .

dpkg -L "${packages[@]}" | LC_ALL=C sort -u >installed
dpkg --purge ramie ramie-doctor libramie-dev libramie0 >purge.log 2>&1 || { cat purge.log; exit 1; }
left=$(while read -r path; do [ ! -d "$path" ] && [ -e "$path" ] && echo "$path"; done <installed || true)
[ -z "$left" ] || { echo "FAILED: left behind: $left"; exit 1; }
ldconfig -p | says ramie && { echo "FAILED: the loader still knows the library"; exit 1; }
echo "packages: ${#files[@]} built, lintian-clean, installed, consumed by cmake, pkg-config and C, purged"
