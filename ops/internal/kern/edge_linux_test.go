package kern

import (
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// atEdge copies s to memory that ends where an unreadable page begins: what reads past a slice dies.
func atEdge[T any](t *testing.T, s []T) []T {
	t.Helper()
	if len(s) == 0 {
		return s
	}
	page := syscall.Getpagesize()
	size := len(s) * int(unsafe.Sizeof(s[0]))
	room := (size + page - 1) / page * page
	m, err := syscall.Mmap(-1, 0, room+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	require.NoError(t, syscall.Mprotect(m[room:], syscall.PROT_NONE))
	t.Cleanup(func() { _ = syscall.Munmap(m) })
	out := unsafe.Slice((*T)(unsafe.Pointer(&m[room-size])), len(s))
	copy(out, s)
	return out
}
