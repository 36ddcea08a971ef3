#!/bin/sh
# Builds the fake driver: build.sh OUT, where OUT is usually a folder's
# libcuda.so.1 with the folder in LD_LIBRARY_PATH.
set -e
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
here=$(cd "$(dirname "$0")" && pwd)
fma=
if [ "$(uname -m)" = x86_64 ] && grep -qw fma /proc/cpuinfo 2>/dev/null; then
	fma=-mfma # the same bits as the library's fmaf, without a call
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
compile() { # half of the files takes as long as the other
	"${CXX:-g++}" -std=c++17 -O3 -ffp-contract=off -U_FORTIFY_SOURCE $fma -fPIC -pthread \
		-fvisibility=hidden -Wall -Wextra -Wno-unused-parameter -Wno-unknown-pragmas -c "$@"
}
compile "$here"/../kernels/emulate/*.cpp &
compile "$here"/libcuda/*.cpp
wait $!
"${CXX:-g++}" -shared -pthread -Wl,-soname,libcuda.so.1 -o "$out" ./*.o
