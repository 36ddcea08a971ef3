package pages

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestReserve(t *testing.T) {
	const n = 5<<20 + 100
	r, ok := Reserve(n)
	if !ok {
		t.Skip("this system reserves no address space")
	}
	defer r.Free()
	require.Len(t, r.Mem, n)
	require.Zero(t, uintptr(unsafe.Pointer(&r.Mem[0]))%huge)
	r.Expect(100, n)
	r.Expect(n, n)
	Expect(nil)
	Expect(make([]byte, 100))
	Expect(r.Mem[huge-1 : huge+5]) // no whole page
	for _, i := range []int{0, 1<<20 - 1, 2 << 20, n - 1} {
		require.Zero(t, r.Mem[i])
		r.Mem[i] = 1
	}
}
