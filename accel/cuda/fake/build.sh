#!/bin/sh
# Builds the fake driver: build.sh OUT, where OUT is usually a folder's
# libcuda.so.1 with the folder in LD_LIBRARY_PATH.
set -e
cd "$(dirname "$0")"
fma=
if [ "$(uname -m)" = x86_64 ] && grep -qw fma /proc/cpuinfo 2>/dev/null; then
	fma=-mfma # the same bits as the library's fmaf, without a call
fi
exec "${CXX:-g++}" -std=c++17 -O2 -ffp-contract=off -U_FORTIFY_SOURCE $fma -fPIC -shared -pthread \
	-fvisibility=hidden -Wall -Wextra -Wno-unused-parameter -Wno-unknown-pragmas \
	-Wl,-soname,libcuda.so.1 -o "$1" libcuda/*.cpp ../kernels/emulate/*.cpp
