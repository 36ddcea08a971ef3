package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// The weights of a network that is known to be small are taken for hot, and the
// result has the same bits.
func TestConvWinogradHot(t *testing.T) {
	op := &Conv{Window: Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}}
	in := []tensor.Tensor{normalTensor(1, 1, 8, 8, 64)}
	params := []tensor.Tensor{normalTensor(2, 64, 3, 3, 64), normalTensor(3, 64)}
	var first []byte
	for bytes, hot := range map[int]bool{0: false, 1: true, hotWeights: true, hotWeights + 1: false} {
		p := Prep{WeightBytes: bytes, Threads: 1}
		got, err := RunPrepared(op, in, params, &p, nil)
		require.NoError(t, err)
		s, _, err := op.resolve(p.In, Specs(params))
		require.NoError(t, err)
		k := op.prepareWinograd(&p, s)
		require.NotNil(t, k)
		require.Equal(t, hot, k.w.Hot, "%d bytes", bytes)
		if first == nil {
			first = got.Data
		}
		require.Equal(t, first, got.Data)
	}
}
