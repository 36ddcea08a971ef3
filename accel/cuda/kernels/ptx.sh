#!/bin/sh
# Compiles the kernels: ptx.sh SOURCE ARCHITECTURE OUT. Needs clang 16 and no CUDA toolkit; another
# version writes other text for the same kernels.
set -e
cd "$(dirname "$0")"
exec "${CLANG:-clang-16}" -x cuda --cuda-gpu-arch="$2" -nocudainc -nocudalib --cuda-device-only \
	-S -O3 -std=c++17 -ffp-contract=off -Wall -Wextra -Werror -Wno-unused-parameter -o "$3" "$1"
