package format

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSum256: as the standard library has it, at all lengths of a last block.
func TestSum256(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 1000)
	for n := range b {
		require.Equal(t, sha256.Sum256(b[:n]), sum256(b[:n]), "%d zeros", n)
	}
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for n := range b {
		require.Equal(t, sha256.Sum256(b[:n]), sum256(b[:n]), "%d bytes", n)
	}
}

func BenchmarkSum256(b *testing.B) {
	data := make([]byte, 1<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		sum256(data)
	}
}
