package tests

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant/ptq"
	"github.com/teff-ml/teff/tools/arch"
)

// noiseSamples is calibration data: normal numbers.
type noiseSamples int

func (n noiseSamples) Len() int { return int(n) }

func (noiseSamples) Fill(i int, in []tensor.Tensor) error {
	rng := rand.New(rand.NewPCG(7, uint64(i)))
	for _, t := range in {
		for j := range t.F32() {
			t.F32()[j] = float32(rng.NormFloat64())
		}
	}
	return nil
}

// TestONNXExportQuantised: a network in integers comes back from ONNX with the
// same numbers. Its biases have no scale of their own; ONNX wants one.
func TestONNXExportQuantised(t *testing.T) {
	for _, name := range []string{"resnet8", "mobilenetv1"} {
		g, err := arch.New(name, arch.Options{Seed: 1})
		require.NoError(t, err)
		q, err := ptq.Calibrate(context.Background(), g, noiseSamples(2), ptq.Options{})
		require.NoError(t, err)
		g, err = q.Graph(nil)
		require.NoError(t, err)
		g, err = g.WithBatch(1)
		require.NoError(t, err)
		x := tensor.New(g.Node(g.Inputs()[0]).Out)
		require.NoError(t, noiseSamples(3).Fill(2, []tensor.Tensor{x}))
		want, err := evalGraph(g, x)
		require.NoError(t, err)
		h, err := exportAndBack(g)
		require.NoError(t, err)
		got, err := evalGraph(h, x)
		require.NoError(t, err)
		require.Equal(t, want[0].F32(), got[0].F32(), name)
	}
}
