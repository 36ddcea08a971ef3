package quant

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/switches"
)

func TestDecodeLayout(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("assembly knows the offsets of 64-bit processors only")
	}
	var r ransRun
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 64, 72}, []uintptr{unsafe.Offsetof(r.dst), unsafe.Offsetof(r.src),
		unsafe.Offsetof(r.words), unsafe.Offsetof(r.tab), unsafe.Offsetof(r.x), unsafe.Offsetof(r.fours), unsafe.Offsetof(r.n)})
	var h halvesRun
	require.Equal(t, []uintptr{0, 8, 16, 24}, []uintptr{unsafe.Offsetof(h.dst), unsafe.Offsetof(h.lo), unsafe.Offsetof(h.hi), unsafe.Offsetof(h.n)})
	var s scaleRun
	require.Equal(t, []uintptr{0, 8, 16, 24, 28}, []uintptr{unsafe.Offsetof(s.dst), unsafe.Offsetof(s.sym), unsafe.Offsetof(s.n),
		unsafe.Offsetof(s.zero), unsafe.Offsetof(s.scale)})
}

// guardedSlice is n values with others on both sides, which check wants unchanged.
func guardedSlice[T comparable](t *testing.T, n int, guard T) (s []T, check func()) {
	all := make([]T, n+64)
	for i := range all {
		all[i] = guard
	}
	return all[32 : 32+n : 32+n], func() {
		t.Helper()
		for i := range 32 {
			require.Equal(t, guard, all[i])
			require.Equal(t, guard, all[32+n+i])
		}
	}
}

// The loops in assembly make the bits of those in Go, of any length, and write nothing beside them.
func TestDecodeLoops(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	anyBytes := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	t.Run("halves", func(t *testing.T) {
		for n := range 100 {
			for kind := range 4 {
				lo, hi := anyBytes(n), anyBytes(n)
				for i := range hi {
					if e := hi[i] & 0x7c; kind < 3 && (e == 0 || e == 0x7c) && r.IntN(8<<(8*kind)) > 0 { // few that are not normal, or none
						hi[i] ^= 0x20
					}
				}
				dst, check := guardedSlice[float32](t, n, 7)
				halves(dst, lo, hi)
				check()
				both := make([]byte, 2*n)
				for i := range lo {
					both[2*i], both[2*i+1] = lo[i], hi[i]
				}
				want := make([]float32, n)
				require.NoError(t, DecodeF16(want, both))
				for i := range want {
					require.Equal(t, math.Float32bits(want[i]), math.Float32bits(dst[i]), "%02x%02x", hi[i], lo[i])
				}
			}
		}
	})
	t.Run("scale", func(t *testing.T) {
		for n := range 100 {
			sym := anyBytes(n)
			zero, s := int32(r.IntN(128)), r.Float32()
			dst, check := guardedSlice[float32](t, n, 7)
			scale(dst, sym, zero, s)
			check()
			want := make([]float32, n)
			scaleGeneric(want, sym, zero, s)
			require.Equal(t, want, dst)
		}
	})
	t.Run("rans", func(t *testing.T) {
		for n := range 100 {
			// Any words are a stream for a while; the table is a real one.
			coded := appendStream(nil, symbolsOf(5, 4096))
			require.Equal(t, byte(streamRANS), coded[0])
			var tab [1 << ransBits]uint32
			require.NotZero(t, ransTable(&tab, coded[1:]))
			src := anyBytes(r.IntN(2*n + 20))
			var x [4]uint64
			for i := range x {
				x[i] = binary.LittleEndian.Uint64(anyBytes(8)) >> (16 + r.IntN(48))
			}
			dst, check := guardedSlice[byte](t, n, 7)
			want, y := make([]byte, n), x
			wantN, wantAt := ransFoursGeneric(want, src, &tab, &y)
			gotN, gotAt := ransFours(dst, src, &tab, &x)
			check()
			require.Equal(t, []int{wantN, wantAt}, []int{gotN, gotAt})
			require.Equal(t, want[:wantN], dst[:gotN])
			require.Equal(t, y, x)
		}
	})
}

// Whole tensors decode to the same bits with the switch off.
func TestDecodeSwitch(t *testing.T) {
	v := normal(chunkSymbols+77, 1)
	i4, err := Linear{Bits: 4, Group: 100}.Ints(v).Append(nil)
	require.NoError(t, err)
	half := EncodeHalf(nil, v)
	all := func() []float32 {
		a, b := make([]float32, len(v)), make([]float32, len(v))
		pa, err := DecodeInts(a, i4)
		require.NoError(t, err)
		pb, err := DecodeHalf(b, half)
		require.NoError(t, err)
		for _, p := range append(pa, pb...) {
			require.NoError(t, p(make([]byte, ScratchBytes)))
		}
		return append(a, b...)
	}
	with := all()
	defer switches.Set("decode/amd64", false)()
	require.Equal(t, all(), with)
}
