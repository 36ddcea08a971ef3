#!/usr/bin/env bash
# Fetches ONNX Runtime from the npm registry, once, and runs the comparison.
# Needs npm and a C compiler (cgo) on linux/amd64. Arguments go to the program: --json, --networks a,b, --threads 1,2, --rounds N, --exact, --bf16, --operators all, --batch N, --size N.
set -euo pipefail
cd "$(dirname "$0")"
lib=node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1
[ -e "$lib" ] || npm install --ignore-scripts --no-audit --no-fund --no-save onnxruntime-node@1.30.0 >&2
CGO_ENABLED=1 go build -o ../../build/peers .
exec ../../build/peers -lib "$PWD/$lib" "$@"
