package format

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChecksum(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 5*crcPart+13)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for _, n := range []int{0, 1, 63, touchAhead, touchAhead + 1, 2*crcPart - 1, 2 * crcPart, 3*crcPart + 5, len(b)} {
		require.Equal(t, crc32.Checksum(b[:n], castagnoli), checksum(b[:n]), n)
	}
	for range 200 {
		n := rng.IntN(5000)
		at := rng.IntN(n + 1)
		x := b[:n]
		require.Equal(t, crc32.Checksum(x, castagnoli), joinCRC(crc32.Checksum(x[:at], castagnoli), crc32.Checksum(x[at:], castagnoli), n-at))
	}
}
