package tests

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tools/glyphs"
	"github.com/teff-ml/teff/tools/npy"
	"github.com/teff-ml/teff/tools/onnx"
)

// TestGlyphs runs the network that PyTorch trained on the project's own images:
// its logits are PyTorch's, also after a file, and it knows images that it has
// not seen. It needs nothing from outside the repository.
func TestGlyphs(t *testing.T) {
	g, err := onnx.ImportFile("golden/glyphs.onnx")
	require.NoError(t, err)
	x, err := npy.ReadFile("golden/glyphs_input.npy")
	require.NoError(t, err)
	want, err := npy.ReadFile("golden/glyphs_logits.npy")
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, format.Write(&b, g, nil))
	m, err := runtime.Load(&b)
	require.NoError(t, err)
	defer m.Close()
	s, err := m.NewSession(runtime.WithBatch(x.Shape.Dim(0)))
	require.NoError(t, err)
	copy(s.Input(0).F32(), x.F32())
	require.NoError(t, s.Run(context.Background()))
	require.Less(t, relative(s.Output(0).F32(), want.F32()), 3e-6)

	one, err := m.NewSession()
	require.NoError(t, err)
	d, err := glyphs.New()
	require.NoError(t, err)
	pix, right := make([]uint8, glyphs.Size*glyphs.Size), 0
	const n = 200
	for i := range n {
		label := d.Sample(pix, 99, i)
		for j, v := range pix {
			one.Input(0).F32()[j] = float32(v) / 255
		}
		require.NoError(t, one.Run(context.Background()))
		scores, best := one.Output(0).F32(), 0
		for c, v := range scores {
			if v > scores[best] {
				best = c
			}
		}
		if best == label {
			right++
		}
	}
	require.GreaterOrEqual(t, right, n*98/100)
}
