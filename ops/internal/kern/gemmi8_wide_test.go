package kern

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// What a tile's rows become is what their definition says, wherever A ends.
func TestWidenRows(t *testing.T) {
	g := SelectGemmI8()
	if !g.wide {
		t.Skip("this form has no wide rows")
	}
	r := rand.New(rand.NewPCG(8, 16))
	for kc := 1; kc <= 70; kc++ {
		mr, taps := 1+r.IntN(g.MR), 1+r.IntN(3)
		stride := g.wideStride(taps, kc)
		guardA, a := newGuarded[byte](kc+r.IntN(9), r.IntN(5), 99)
		copy(a, randBytes(r, len(a)))
		if kc%3 == 0 {
			a = atEdge(t, a)
		}
		zero, rows := make([]byte, kc), make([]int32, g.MR*taps)
		Fill(zero, byte(r.Uint32()))
		for i := range rows {
			rows[i] = int32(r.IntN(len(a)-kc+2) - 1)
		}
		guard, wide := newGuarded[byte](g.wideSize(mr, taps, kc), r.IntN(5), 55)
		x := tileI8{a: &a[0], zero: &zero[0], rows: &rows[0], taps: taps, kc: kc, mr: mr, wide: &wide[0], stride: stride}
		if len(a) >= 16 {
			x.last = &a[len(a)-16]
		}
		if kc&1 != 0 {
			x.flip = 0x80808080
		}
		want := make([]byte, len(wide))
		y := x
		y.wide = &want[0]
		g.widenRows(&x)
		y.widenRows(g.MR)
		guard.check(t, wide)
		if kc%3 > 0 {
			guardA.check(t, a)
		}
		for i := range mr {
			row := func(b []byte) []int16 { return unsafe.Slice((*int16)(unsafe.Pointer(&b[i*stride])), taps*kc) }
			require.Equal(t, row(want), row(wide), "kc %d, row %d", kc, i)
		}
	}
}
