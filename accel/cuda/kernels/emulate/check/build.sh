#!/bin/sh
# Builds the checks of the kernels on the host: build.sh OUT [FLAGS].
set -e
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
shift
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
compile() {
	"${CXX:-g++}" -std=c++17 -ffp-contract=off -U_FORTIFY_SOURCE -Wall -Wextra -Wno-unused-parameter -Wno-unknown-pragmas -c "$@"
}
compile -O3 "$@" "$here"/../*.cpp &
compile -O2 "$@" "$here"/*.cpp
wait $!
"${CXX:-g++}" "$@" -o "$out" ./*.o
