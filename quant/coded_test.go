package quant

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// run decodes all parts.
func run(parts []Part, err error) error {
	scratch := make([]byte, ScratchBytes)
	for _, p := range parts {
		if err == nil {
			err = p(scratch)
		}
	}
	return err
}

func TestStream(t *testing.T) {
	for i, b := range texts() {
		c := appendStream(nil, b)
		require.LessOrEqual(t, len(c), len(b)+2)
		got := make([]byte, len(b))
		require.True(t, decodeStream(got, c), "text %d of %d bytes", i, len(b))
		require.Equal(t, b, got)
		require.False(t, decodeStream(got, c[:len(c)-1]))
		require.False(t, decodeStream(got, append(c, 0)))
		if len(b) > 4 && c[0] == streamRANS {
			require.False(t, decodeStream(got[1:], c))
		}
	}
}

// TestStreamNearEntropy: the bytes are within a percent of what the symbols hold.
func TestStreamNearEntropy(t *testing.T) {
	for _, std := range []float64{.3, 1, 3, 10, 30} {
		x := Linear{Bits: 8, Group: 1 << 20}
		sym := make([]byte, 30000)
		var count [256]float64
		for i, v := range normal(len(sym), std) {
			sym[i] = byte(x.quantize(v, 1)) + 127
			count[sym[i]]++
		}
		h := 0.0
		for _, c := range count {
			if c > 0 {
				h -= c * math.Log2(c/float64(len(sym))) / 8
			}
		}
		n := len(appendStream(nil, sym))
		t.Logf("std %g: %.0f bytes of entropy, %d", std, h, n)
		require.Less(t, float64(n), h*1.01+24+40)
	}
}

func TestExact(t *testing.T) {
	for _, n := range []int{0, 1, 7, 1000, chunkSymbols, 2*chunkSymbols + 3} {
		for size := 1; size <= 8; size *= 2 {
			data := append([]byte{}, EncodeF16(nil, normal(n*4, 1))[:n*size]...)
			b := EncodeExact(nil, data, size, false)
			got := make([]byte, len(data))
			require.NoError(t, run(DecodeExact(got, b, size, false)))
			require.Equal(t, data, got)
			if n == 0 {
				continue
			}
			require.ErrorIs(t, run(DecodeExact(got, b[:len(b)-1], size, false)), ErrCorrupt)
			require.ErrorIs(t, run(DecodeExact(got, append(b, 0), size, false)), ErrCorrupt)
			b[len(b)/2] ^= 1
			require.ErrorIs(t, run(DecodeExact(got, b, size, false)), ErrCorrupt, "a flipped bit is not noticed")
		}
	}
	data := make([]byte, 0, 40000)
	for _, x := range normal(10000, .1) {
		v := math.Float32bits(x)
		data = append(data, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	b := EncodeExact(nil, data, 4, true)
	got := make([]byte, len(data))
	require.NoError(t, run(DecodeExact(got, b, 4, true)))
	require.Equal(t, data, got)
	require.Less(t, len(b), len(data)*84/100, "exponents of a normal distribution hold 2.6 bits")
	v := normal(70000, 1)
	h := make([]float32, len(v))
	require.NoError(t, run(DecodeHalf(h, EncodeHalf(nil, v))))
	for i := range v {
		require.Equal(t, HalfPrecision(v[i]), h[i])
	}
}

// TestChunksOfTheFormat: a chunk has 32768 elements, as format/SPEC.md says. Files depend
// on it, so the bytes are made here.
func TestChunksOfTheFormat(t *testing.T) {
	var b []byte
	for _, symbol := range []byte{7, 9} {
		stream := []byte{1, symbol} // all are this one
		b = binary.LittleEndian.AppendUint32(b, uint32(len(stream)))
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(stream, castagnoli))
		b = append(b, stream...)
	}
	got := make([]byte, 32768+1)
	require.NoError(t, run(DecodeExact(got, b, 1, false)))
	require.Equal(t, append(bytes.Repeat([]byte{7}, 32768), 9), got)
	require.Equal(t, b, EncodeExact(nil, got, 1, false))
}

// TestInts: the error is bounded by what the bits allow, and falls with each.
func TestInts(t *testing.T) {
	v := normal(9*64+5, 0.2)
	last := 1.0
	for bits := minLinearBits; bits <= maxLinearBits; bits++ {
		for _, group := range []int{64, len(v), 1000} {
			x := Linear{Bits: bits, Group: group}.Ints(v)
			b, err := x.Append(nil)
			require.NoError(t, err)
			got := make([]float32, len(v))
			require.NoError(t, run(DecodeInts(got, b)))
			require.Equal(t, x.Decoded(), got)
			if group == 64 {
				e := relative(got, v)
				require.Less(t, e, last, "%d bits", bits)
				last = e
			}
		}
	}
	require.Less(t, last, 0.01, "eight bits")
	zero := make([]float32, 100)
	b, err := Linear{Bits: 4, Group: 10}.Ints(zero).Append(nil)
	require.NoError(t, err)
	got := normal(100, 1)
	require.NoError(t, run(DecodeInts(got, b)))
	require.Equal(t, zero, got)
	for n := range b {
		require.ErrorIs(t, run(DecodeInts(got, b[:n])), ErrCorrupt)
	}
	_, err = (&Ints{Bits: 3, Group: 2, Scale: []float32{1}, Q: []int8{4, 0}}).Append(nil)
	require.ErrorContains(t, err, "4 in 3 bits")
	_, err = (&Ints{Bits: 3, Group: 1, Scale: []float32{1}, Q: []int8{1, 0}}).Append(nil)
	require.Error(t, err)
}

// TestPalette: k-means beats an even grid, weights count, zeros stay.
func TestPalette(t *testing.T) {
	v := normal(chunkSymbols+900, 0.2)
	for i := range v {
		if i%3 == 0 {
			v[i] = 0
		}
	}
	last := 1.0
	for bits := 2; bits <= 8; bits++ {
		p := FitPalette(v, nil, bits, 7000)
		b, err := p.Append(nil)
		require.NoError(t, err)
		got := make([]float32, len(v))
		require.NoError(t, run(DecodePalette(got, b)))
		require.Equal(t, p.Decoded(), got)
		e := relative(got, v)
		require.Less(t, e, last, "%d bits", bits)
		require.Less(t, e, relative(Linear{Bits: bits, Group: 7000}.Ints(v).Decoded(), v)*1.02, "%d bits", bits)
		last = e
		for i, x := range v {
			require.False(t, x == 0 && got[i] != 0)
		}
	}
	heavy := make([]float32, len(v))
	for i := range heavy {
		heavy[i] = 1e-3
		if v[i] > .4 {
			heavy[i] = 1
		}
	}
	far := func(p *Palette) (e float64) {
		for i, x := range p.Decoded() {
			if v[i] > .4 {
				e += float64(x-v[i]) * float64(x-v[i])
			}
		}
		return e
	}
	require.Less(t, far(FitPalette(v, heavy, 3, len(v))), far(FitPalette(v, nil, 3, len(v)))/2)
	_, err := (&Palette{Bits: 1, Group: 2, Values: []float32{1, 2}, Index: []uint8{2}}).Append(nil)
	require.ErrorContains(t, err, "index 2")
}

func TestSparse(t *testing.T) {
	for _, share := range []float64{0, .01, .3, 1} {
		v := Prune(normal(50000, 1), share)
		b, err := EncodeSparse(nil, v, 9, func(v []float32) ([]byte, error) { return EncodeHalf(nil, v), nil })
		require.NoError(t, err)
		if share < .5 {
			require.Less(t, len(b), int(share*50000*2*.95)+50000/8+100)
		}
		inner := func(e uint8, dst []float32, src []byte) ([]Part, error) {
			require.EqualValues(t, 9, e)
			return DecodeHalf(dst, src)
		}
		got := normal(len(v), 1)
		require.NoError(t, run(DecodeSparse(got, b, inner)))
		kept := 0
		for i, x := range v {
			require.Equal(t, HalfPrecision(x), got[i])
			if x != 0 {
				kept++
			}
		}
		require.InDelta(t, share*50000, kept, 1)
		if share > 0 {
			require.ErrorIs(t, run(DecodeSparse(got[:100], b, inner)), ErrCorrupt)
		}
	}
}

// FuzzCoded: whatever bytes say, decoding ends, in an error of ours or not.
func FuzzCoded(f *testing.F) {
	v := normal(300, 1)
	a, _ := Linear{Bits: 3, Group: 100}.Ints(v).Append(nil)
	b, _ := FitPalette(v, nil, 3, 150).Append(nil)
	c, _ := EncodeSparse(nil, Prune(v, .2), 2, func(v []float32) ([]byte, error) { return EncodeHalf(nil, v), nil })
	for kind, b := range [][]byte{a, b, EncodeHalf(nil, v), EncodeExact(nil, EncodeF16(nil, v), 2, false), c} {
		f.Add(b, 300, kind)
	}
	f.Fuzz(func(t *testing.T, b []byte, n, kind int) {
		if n < 0 || n > 1<<16 {
			return
		}
		seal(b) // a fuzzer does not find checksums
		out := make([]float32, n)
		var decode func(kind uint8, out []float32, b []byte) ([]Part, error)
		decode = func(kind uint8, out []float32, b []byte) ([]Part, error) {
			switch kind {
			case 0:
				return DecodeInts(out, b)
			case 1:
				return DecodePalette(out, b)
			case 2:
				return DecodeHalf(out, b)
			case 3:
				return DecodeExact(make([]byte, 4*len(out)), b, 4, true)
			}
			return DecodeSparse(out, b, func(e uint8, dst []float32, src []byte) ([]Part, error) { return decode(e%4, dst, src) })
		}
		err := run(decode(uint8(kind%5), out, b))
		switch kind % 5 { // what stays in few bits is the same numbers, and refused alike
		case 0:
			requireStored(t, StoreInts, b, out, err)
		case 2:
			requireStored(t, StoreHalf, b, out, err)
		}
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
		}
	})
}

func requireStored(t *testing.T, store func([]byte, int) (*Stored, []Part, error), b []byte, want []float32, err error) {
	t.Helper()
	s, parts, stored := store(b, len(want))
	if stored = run(parts, stored); err != nil || stored != nil {
		require.Equal(t, err == nil, stored == nil, "%v, %v", err, stored)
		return
	}
	got := make([]float32, len(want))
	half := len(got) / 2
	s.Floats(got[:half], 0)
	s.Floats(got[half:], half)
	for i := range want {
		require.Equal(t, math.Float32bits(want[i]), math.Float32bits(got[i]))
	}
}

func FuzzStream(f *testing.F) {
	for _, b := range texts() {
		if len(b) < 1500 {
			f.Add(appendStream(nil, b), len(b))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n < 0 || n > 1<<16 {
			return
		}
		got := make([]byte, n)
		if decodeStream(got, b) {
			again := make([]byte, n)
			require.True(t, decodeStream(again, appendStream(nil, got)))
			require.Equal(t, got, again)
		}
	})
}
