#!/bin/sh
# Compiles the kernels: ptx.sh SOURCE ARCHITECTURE OUT. Needs clang 16 and no CUDA toolkit; another
# version writes other text for the same kernels. Comments and needless blanks are left out: they were a tenth of the text.
set -e
cd "$(dirname "$0")"
"${CLANG:-clang-16}" -x cuda --cuda-gpu-arch="$2" -nocudainc -nocudalib --cuda-device-only \
	-S -O3 -std=c++17 -ffp-contract=off -Wall -Wextra -Werror -Wno-unused-parameter -o "$3.full" "$1"
sed -e 's,[[:space:]]*//.*,,' -e 's/^[[:space:]]*//' -e 's/ *\t/ /g' -e '/^$/d' "$3.full" >"$3"
rm "$3.full"
