#!/bin/sh
# Builds the checks of the kernels on the host: build.sh OUT [FLAGS].
set -e
cd "$(dirname "$0")"
out=$1
shift
exec "${CXX:-g++}" -std=c++17 -O2 -ffp-contract=off -U_FORTIFY_SOURCE -Wall -Wextra -Wno-unused-parameter \
	-Wno-unknown-pragmas "$@" -o "$out" ./*.cpp ../*.cpp
