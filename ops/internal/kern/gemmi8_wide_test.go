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

// Products of lines are those of the bytes that were widened, for every width of a kernel and a line.
func TestGemmI8Lines(t *testing.T) {
	g := gemmI8AVX2.Lines()
	if g == nil {
		t.Skip("no such form on this processor")
	}
	r := rand.New(rand.NewPCG(11, 12))
	for try := range 300 {
		kw, ic, kh, stride := 1+r.IntN(5), 1+r.IntN(12), 1+r.IntN(4), 1+r.IntN(2)
		width, height, n, signed := 1+r.IntN(20), 1+r.IntN(4), 1+r.IntN(50), try&1 != 0
		line, kc := ((width-1)*stride+kw)*ic, kw*ic
		lines := (height-1)*stride + kh
		guardX, x := newGuarded[byte](line*lines, r.IntN(5), 99)
		copy(x, randBytes(r, len(x)))
		guardA, a := newGuarded[byte](LinesSize(line*lines), 0, 55)
		for y := range lines {
			WidenLine(a[2*y*line:], x[y*line:], line, signed)
		}
		w, bias, scale := randBytes(r, n*kh*kc), make([]int32, n), make([]float32, n)
		for j := range n {
			bias[j], scale[j] = int32(r.IntN(2000)-1000), r.Float32()*0.02
		}
		az := signedByte(byte(r.Uint32()), signed)
		args := GemmI8Args{ASigned: signed, A: a, Taps: kh, KC: kc, N: n, LDC: n + r.IntN(4), CZero: 7, Hi: 255 - int32(r.IntN(20)),
			Lines: Lines{Width: width, Pixel: 2 * stride * ic, Step: 2 * line, Next: 2 * stride * line}}
		args.B = make([]byte, g.PackedSize(n, kh, kc))
		g.Pack(args.B, w, n, kh, kc, kh*kc, true, nil)
		args.Cols = g.Columns(w, n, kh, kc, kh*kc, true, nil, bias, scale, az, signed)
		m := width*height - r.IntN(width)
		guard, out := newGuarded[byte]((m-1)*args.LDC+n, r.IntN(3), 77)
		args.C = out
		g.Run(&args, 0, m, 0, n)
		guard.check(t, out)
		guardA.check(t, a)
		guardX.check(t, x)
		for i := range m {
			for j := range n {
				acc := bias[j]
				for y := range kh {
					for p, v := range x[(i/width*stride+y)*line+i%width*stride*ic:][:kc] {
						acc += (signedByte(v, signed) - az) * int32(int8(w[(j*kh+y)*kc+p]))
					}
				}
				require.Equal(t, requantI8(acc, scale[j], args.CZero, args.Lo, args.Hi), out[i*args.LDC+j], "[%d][%d]", i, j)
			}
		}
	}
}
