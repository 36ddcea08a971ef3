package quant

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/x448/float16"
)

func normal(n int, std float64) []float32 {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64() * std)
	}
	return v
}

func relative(a, b []float32) float64 {
	var d, n float64
	for i, v := range b {
		e := float64(a[i]) - float64(v)
		d += e * e
		n += float64(v) * float64(v)
	}
	return math.Sqrt(d / n)
}

func TestHalves(t *testing.T) {
	v := normal(1000, 1)
	got := make([]float32, len(v))
	require.NoError(t, DecodeF16(got, EncodeF16(nil, v)))
	require.Less(t, relative(got, v), 1e-3)
	require.NoError(t, DecodeBF16(got, EncodeBF16(nil, v)))
	require.Less(t, relative(got, v), 1e-2)
	require.ErrorIs(t, DecodeF16(got, make([]byte, 7)), ErrCorrupt)
	require.ErrorIs(t, DecodeBF16(got, make([]byte, 7)), ErrCorrupt)
	for _, x := range []float32{0, 1, -2, float32(math.Inf(1))} { // numbers that fit come back
		require.NoError(t, DecodeBF16(got[:1], EncodeBF16(nil, []float32{x})))
		require.Equal(t, x, got[0])
	}
	require.NoError(t, DecodeBF16(got[:1], EncodeBF16(nil, []float32{float32(math.NaN())})))
	require.True(t, got[0] != got[0])
}

// TestEveryHalf: each of the 65536 becomes the number that it is.
func TestEveryHalf(t *testing.T) {
	var got [1]float32
	for h := range 1 << 16 {
		require.NoError(t, DecodeF16(got[:], []byte{byte(h), byte(h >> 8)}))
		want := float16.Frombits(uint16(h)).Float32()
		if want != want {
			require.True(t, got[0] != got[0])
			continue
		}
		if math.Float32bits(want) != math.Float32bits(got[0]) {
			t.Fatalf("%#x is %v, want %v", h, got[0], want)
		}
	}
}

// TestEveryHalfCoded: coded, each of them becomes the same bits, the upper bytes
// under an entropy code (a symbol seldom used among others) and without one.
func TestEveryHalfCoded(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, often := range []int{0, 3} {
		var src []byte
		for h := range 1 << 16 {
			src = append(src, byte(h), byte(h>>8))
			for range often {
				src = append(src, byte(rng.Uint32()), byte(0x38+rng.IntN(4)))
			}
		}
		for _, odd := range []int{0, 1, 5} {
			src := src[2*odd:]
			want, got := make([]float32, len(src)/2), make([]float32, len(src)/2)
			require.NoError(t, DecodeF16(want, src))
			parts, err := DecodeHalf(got, EncodeExact(nil, src, 2, false))
			require.NoError(t, err)
			for _, p := range parts {
				require.NoError(t, p(make([]byte, ScratchBytes)))
			}
			for i := range want {
				if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
					t.Fatalf("%d: %v, want %v", i, got[i], want[i])
				}
			}
		}
	}
}

func TestPlanes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{1, 2, 4, 8} {
		for _, n := range []int{0, 1, 63, chunkBytes/size - 1, chunkBytes / size, 3*chunkBytes/size + 5} {
			data := make([]byte, n*size)
			for i := range data {
				data[i] = byte(rng.UintN(40))
			}
			b := encodePlanes(t, data, size)
			got := make([]byte, len(data))
			require.NoError(t, DecodePlanes(got, b, size))
			require.Equal(t, data, got)
			if n == 0 {
				continue
			}
			require.ErrorIs(t, DecodePlanes(got, b[:len(b)-1], size), ErrCorrupt)
			require.ErrorIs(t, DecodePlanes(got, append(b, 0), size), ErrCorrupt)
			require.ErrorIs(t, DecodePlanes(make([]byte, len(data)+size), b, size), ErrCorrupt)
			b[len(b)/2] ^= 1
			require.ErrorIs(t, DecodePlanes(got, b, size), ErrCorrupt, "a flipped bit is not noticed")
		}
	}
}

// TestLinearV1: integers as version 1.0 packed them.
func TestLinearV1(t *testing.T) {
	for bits := minLinearBits; bits <= maxLinearBits; bits++ {
		for _, n := range []int{1, 8, 30, 581} {
			x := Linear{Bits: bits, Group: 7}.Ints(normal(n, 1))
			for _, compressed := range []bool{false, true} {
				b := packLinear(t, x, compressed)
				got := make([]float32, n)
				require.NoError(t, DecodeLinear(got, b))
				require.Equal(t, x.Decoded(), got)
				for n := range b {
					require.ErrorIs(t, DecodeLinear(got, b[:n]), ErrCorrupt)
				}
				for _, group := range []uint32{0, 1<<31 - 1, 1 << 31, 1<<32 - 1} { // of which an int may hold none
					for scales := range len(x.Scale) + 1 {
						c := append(slices.Clone(b[:6]), b[6+2*scales:]...)
						binary.LittleEndian.PutUint32(c[1:], group)
						if err := DecodeLinear(got, c); err != nil {
							require.ErrorIs(t, err, ErrCorrupt)
						}
					}
				}
			}
		}
	}
}

// packLinear writes what DecodeLinear reads.
func packLinear(t testing.TB, x *Ints, compressed bool) []byte {
	b := []byte{byte(x.Bits), byte(x.Group), byte(x.Group >> 8), byte(x.Group >> 16), 0, 0}
	b = EncodeF16(b, x.Scale)
	if compressed {
		b[5] = 1
		raw := make([]byte, len(x.Q))
		for i, q := range x.Q {
			raw[i] = byte(q)
		}
		return append(b, encodePlanes(t, raw, 1)...)
	}
	acc, n := uint32(0), 0
	for _, q := range x.Q {
		acc |= uint32(byte(q)) & (1<<x.Bits - 1) << n
		for n += x.Bits; n >= 8; n -= 8 {
			b = append(b, byte(acc))
			acc >>= 8
		}
	}
	if n > 0 {
		b = append(b, byte(acc))
	}
	return b
}

func FuzzDecodeLinear(f *testing.F) {
	for _, bits := range []int{2, 4, 8} {
		for _, c := range []bool{false, true} {
			f.Add(packLinear(f, Linear{Bits: bits, Group: 7}.Ints(normal(30, 1)), c), 30)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n < 0 || n > 1<<12 {
			return
		}
		if err := DecodeLinear(make([]float32, n), b); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
		}
	})
}

func FuzzDecodePlanes(f *testing.F) {
	f.Add(encodePlanes(f, []byte("twelve bytes"), 4), 3)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n < 0 || n > 1<<16 {
			return
		}
		if err := DecodePlanes(make([]byte, 4*n), b, 4); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
		}
	})
}
