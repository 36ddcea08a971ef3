package quant

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// zstdEncoder is one as version 1.0 used.
func zstdEncoder(t testing.TB, o ...zstd.EOption) *zstd.Encoder {
	t.Helper()
	e, err := zstd.NewWriter(nil, append([]zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithSingleSegment(true)}, o...)...)
	require.NoError(t, err)
	return e
}

// encodePlanes writes what DecodePlanes reads, as version 1.0 did.
func encodePlanes(t testing.TB, data []byte, size int) []byte {
	enc := zstdEncoder(t, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderCRC(false))
	var dst []byte
	for per := 65536 / size * size; len(data) > 0; { // the format's number, whatever the reader's is
		n := min(per, len(data))
		plane := make([]byte, n)
		for i := range plane {
			plane[i%size*(n/size)+i/size] = data[i]
		}
		data = data[n:]
		body := enc.EncodeAll(plane, nil)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(body)))
		dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(body, castagnoli))
		dst = append(dst, body...)
	}
	return dst
}

// texts are of many kinds: noise of few and many symbols, runs, repetitions near
// and far, words.
func texts() [][]byte {
	rng := rand.New(rand.NewPCG(5, 6))
	var all [][]byte
	for _, n := range []int{0, 1, 5, 31, 200, 255, 256, 300, 1000, 4096, 20000, 65535, 65536, 65791, 65792, 140000, 300000} {
		for kind := range 8 {
			b := make([]byte, n)
			for i := range b {
				switch kind {
				case 0:
					b[i] = byte(rng.Uint32())
				case 1:
					b[i] = byte(rng.NormFloat64() * 20)
				case 2:
					b[i] = byte(rng.NormFloat64())
				case 3:
					b[i] = byte(i / 1000)
				case 4:
					b[i] = byte(rng.NormFloat64() * 3)
					if i > 50 && rng.IntN(10) > 0 {
						b[i] = b[i-50]
					}
				case 5:
					b[i] = "the smallest useful file "[rng.IntN(3)*8+i%8]
				case 6:
					b[i] = 7
				case 7:
					b[i] = byte(rng.IntN(3))
					if k := rng.IntN(max(i, 1)); i > 100 && rng.IntN(30) > 0 {
						b[i] = b[i-1-k%(1+i/2)]
					}
				}
			}
			all = append(all, b)
		}
	}
	return all
}
