package quant

import (
	"testing"

	"github.com/klauspost/compress/fse"
	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/quant/unzstd"
)

// symbolsOf is a normal distribution in steps of 1/std: std .4 is pruned weights,
// 1.2 about 2.3 bits, 2.5 a good 4-bit tensor, 30 int8.
func symbolsOf(std float64, n int) []byte {
	sym := make([]byte, n)
	for i, v := range normal(n, std) {
		sym[i] = byte(Linear{Bits: 8}.quantize(v, 1)) + 127
	}
	return sym
}

// BenchmarkCoders decodes the same symbols with each of the coders there were to
// choose from. B/s counts four bytes a symbol: the float32 that it becomes.
func BenchmarkCoders(b *testing.B) {
	for _, c := range []struct {
		name string
		std  float64
	}{{"pruned", .4}, {"2bit", 1.2}, {"4bit", 2.5}, {"int8", 30}} {
		sym := symbolsOf(c.std, chunkSymbols)
		got := make([]byte, len(sym))
		bench := func(name string, bytes int, f func()) {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				b.SetBytes(4 * int64(len(sym)))
				for b.Loop() {
					f()
				}
				b.ReportMetric(8*float64(bytes)/float64(len(sym)), "bits/symbol")
			})
		}
		own := appendStream(nil, sym)
		bench("rans", len(own), func() { decodeStream(got, own) })
		require.Equal(b, sym, got)

		var h huff0.Scratch
		huff, _, err := huff0.Compress4X(sym, &h)
		require.NoError(b, err)
		var hd huff0.Scratch
		bench("huff0", len(huff), func() {
			d, rest, err := huff0.ReadTable(huff, &hd)
			if err == nil {
				_, err = d.Decoder().Decompress4X(got[:0:len(sym)], rest)
			}
			require.NoError(b, err)
		})
		var s, sd fse.Scratch
		f, err := fse.Compress(sym, &s)
		require.NoError(b, err)
		bench("fse", len(f), func() {
			_, err := fse.Decompress(f, &sd)
			require.NoError(b, err)
		})
		z := zstdEncoder(b, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderCRC(false)).EncodeAll(sym, nil)
		bench("zstd", len(z), func() {
			_, err := unzstd.Decode(got, z)
			require.NoError(b, err)
		})
	}
}

// BenchmarkDecode is the whole way from bytes to float32, one core.
func BenchmarkDecode(b *testing.B) {
	v := normal(8*chunkSymbols, 1)
	out, scratch := make([]float32, len(v)), make([]byte, ScratchBytes)
	ints := func(bits int) []byte {
		x, err := Linear{Bits: bits, Group: 1152}.Ints(v).Append(nil)
		require.NoError(b, err)
		return x
	}
	i8, i4 := ints(8), ints(4)
	p4, err := FitPalette(v, nil, 4, len(v)).Append(nil)
	require.NoError(b, err)
	half := EncodeHalf(nil, v)
	for _, c := range []struct {
		name  string
		bytes int
		parts func() ([]Part, error)
	}{
		{"int8", len(i8), func() ([]Part, error) { return DecodeInts(out, i8) }},
		{"int4", len(i4), func() ([]Part, error) { return DecodeInts(out, i4) }},
		{"palette4", len(p4), func() ([]Part, error) { return DecodePalette(out, p4) }},
		{"f16", len(half), func() ([]Part, error) { return DecodeHalf(out, half) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(4 * int64(len(v)))
			for b.Loop() {
				parts, err := c.parts()
				for _, p := range parts {
					if err == nil {
						err = p(scratch)
					}
				}
				require.NoError(b, err)
			}
			b.ReportMetric(8*float64(c.bytes)/float64(len(v)), "bits/weight")
		})
	}
}
