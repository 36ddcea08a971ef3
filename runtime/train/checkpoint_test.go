package train

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// FuzzLoad: a checkpoint with a right checksum and anything else in it is loaded, or
// refused as one, which leaves the trainer as it was; steps go on from either.
func FuzzLoad(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "checkpoint")
	tr, err := New(smallNet(f, true), Config{Batch: 4, Accumulate: 2, Optimizer: AdamW{}, Schedule: Cosine(0.01, 10)})
	require.NoError(f, err)
	x, y := smallBatch(4)
	for range 3 {
		_, err := tr.Step(x, y)
		require.NoError(f, err)
	}
	require.NoError(f, tr.Save(path, 42))
	good, err := os.ReadFile(path)
	require.NoError(f, err)
	whole, good := good, good[:len(good)-4]
	f.Add(0, []byte("teff"), len(good))
	f.Add(12, bytes.Repeat([]byte{255}, 24), len(good))
	f.Add(36, []byte{0, 0, 0, 0}, len(good))
	f.Add(40, []byte{255, 255, 255, 127}, len(good))
	f.Add(0, []byte(nil), len(good)-1)
	f.Add(60, []byte{0, 0, 192, 127}, len(good)) // no number
	f.Fuzz(func(t *testing.T, at int, with []byte, size int) {
		b := bytes.Clone(good)
		if at >= 0 && at < len(b) {
			copy(b[at:], with)
		}
		if size >= 0 && size < len(b) {
			b = b[:size]
		}
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
		before := bytes.Join(values(tr), nil)
		if _, err := tr.load(b, path); err != nil {
			require.ErrorIs(t, err, ErrCheckpoint)
			require.Equal(t, before, bytes.Join(values(tr), nil))
			return
		}
		if _, err := tr.Step(x, y); err != nil && !errors.Is(err, ErrDiverged) {
			t.Fatal(err)
		}
		_, err := tr.load(whole, path)
		require.NoError(t, err)
	})
}

// values are the bytes of what learns and of running statistics, in order.
func values(t *Trainer) (all [][]byte) {
	t.named(func(_ string, v []float32) { all = append(all, bytes.Clone(tensor.BytesOf(v))) })
	return all
}
