package quant

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
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

func TestPlanes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{1, 2, 4, 8} {
		for _, n := range []int{0, 1, 63, ChunkBytes/size - 1, ChunkBytes / size, 3*ChunkBytes/size + 5} {
			data := make([]byte, n*size)
			for i := range data {
				data[i] = byte(rng.UintN(40))
			}
			b, err := EncodePlanes(nil, data, size)
			require.NoError(t, err)
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

// TestLinear: the error is bounded by what the bits allow, and falls with each.
func TestLinear(t *testing.T) {
	v := normal(9*64+5, 0.2)
	last := 1.0
	for bits := MinLinearBits; bits <= MaxLinearBits; bits++ {
		for _, group := range []int{64, len(v), 1000} {
			b, err := Linear{Bits: bits, Group: group}.EncodeLinear(nil, v)
			require.NoError(t, err)
			got := make([]float32, len(v))
			require.NoError(t, DecodeLinear(got, b))
			if group == 64 {
				e := relative(got, v)
				require.Less(t, e, last, "%d bits", bits)
				last = e
			}
		}
	}
	require.Less(t, last, 0.01, "eight bits")
	zero := make([]float32, 100)
	b, err := Linear{Bits: 4, Group: 10}.EncodeLinear(nil, zero)
	require.NoError(t, err)
	got := normal(100, 1)
	require.NoError(t, DecodeLinear(got, b))
	require.Equal(t, zero, got)
	for n := range b {
		require.ErrorIs(t, DecodeLinear(got, b[:n]), ErrCorrupt)
	}
}

func FuzzDecodeLinear(f *testing.F) {
	for _, bits := range []int{2, 4, 8} {
		b, err := Linear{Bits: bits, Group: 7}.EncodeLinear(nil, normal(30, 1))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, 30)
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
	b, err := EncodePlanes(nil, []byte("twelve bytes"), 4)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, 3)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n < 0 || n > 1<<16 {
			return
		}
		if err := DecodePlanes(make([]byte, 4*n), b, 4); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
		}
	})
}
