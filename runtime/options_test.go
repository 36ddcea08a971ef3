package runtime_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/runtime"
)

// TestMemoryBudget: operators that may take no memory for speed take plain paths, of the
// same result.
func TestMemoryBudget(t *testing.T) {
	g := mixed(t)
	run := func(opts ...runtime.Option) (y []float32, winograd int) {
		m, err := runtime.New(g, opts...)
		require.NoError(t, err)
		defer m.Close()
		s, err := m.NewSession()
		require.NoError(t, err)
		for i, x := 0, s.Input(0).F32(); i < len(x); i++ {
			x[i] = float32(i%13)/13 - .5
		}
		require.NoError(t, s.Run(context.Background()))
		for _, l := range s.Layers() {
			if strings.HasPrefix(l.Path, "winograd") {
				winograd++
			}
		}
		return append(y, s.Output(0).F32()...), winograd
	}
	want, fast := run()
	got, plain := run(runtime.WithMemoryBudget(1))
	require.Less(t, distance(got, want), 1e-5)
	require.Zero(t, plain)
	t.Logf("%d layers by Winograd without a budget", fast)
}

// TestMetadata: what a file says comes with its model, however it is opened.
func TestMetadata(t *testing.T) {
	var file bytes.Buffer
	meta := &format.Metadata{Labels: []string{"cat", "dog"}, Preprocess: &format.Preprocess{Width: 10, Height: 12}}
	require.NoError(t, format.Write(&file, mixed(t), &format.WriteOptions{Metadata: meta}))
	m, err := runtime.Load(bytes.NewReader(file.Bytes()))
	require.NoError(t, err)
	require.Equal(t, meta, m.Metadata())
	require.NoError(t, m.Close())
	m, err = runtime.New(mixed(t))
	require.NoError(t, err)
	require.Nil(t, m.Metadata())
	require.NoError(t, m.Close())
}
