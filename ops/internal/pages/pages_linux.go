//go:build linux && (amd64 || arm64 || riscv64)

package pages

import (
	"syscall"
	"unsafe"
)

func reserve(n int) (Region, bool) {
	b, err := syscall.Mmap(-1, 0, n+huge, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		return Region{}, false
	}
	at := int(-uintptr(unsafe.Pointer(&b[0])) & (huge - 1))
	return Region{Mem: b[at : at+n : at+n], whole: b}, true
}

const adviseHuge = 14 // MADV_HUGEPAGE

func expect(b []byte) { _ = syscall.Madvise(b, adviseHuge) }

func free(b []byte) { _ = syscall.Munmap(b) }
