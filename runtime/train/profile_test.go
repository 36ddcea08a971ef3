package train

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/tools/arch"
)

func TestProfile(t *testing.T) {
	g, err := arch.New("glyphnet", arch.Options{})
	require.NoError(t, err)
	tr, err := New(g, Config{Batch: 2, Threads: 1})
	require.NoError(t, err)
	defer tr.Close()
	times := tr.Profile()
	require.Zero(t, times[len(times)-1].Forward, "no step has been taken")
	_, err = tr.StepInPlace()
	require.NoError(t, err)
	for _, l := range times {
		if l.Kind == ops.KindConv {
			require.Positive(t, l.Forward, l.Name)
			require.Positive(t, l.Backward, l.Name)
			require.Positive(t, l.Update, l.Name)
		}
	}
	require.Equal(t, ops.KindSoftmaxCrossEntropy, times[len(times)-1].Kind)
	require.Zero(t, testing.AllocsPerRun(5, func() { tr.StepInPlace() }))
	require.Equal(t, &times[0], &tr.Profile()[0])
}
