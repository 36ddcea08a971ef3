//go:build !linux || !(amd64 || arm64 || riscv64)

package pages

func reserve(int) (Region, bool) { return Region{}, false }

func expect([]byte) {}

func free([]byte) {}
