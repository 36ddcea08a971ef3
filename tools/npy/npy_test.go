package npy

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tests/shared"
)

func TestRoundTrip(t *testing.T) {
	for _, x := range []tensor.Tensor{
		tensor.FromF32([]float32{1, -2, 3.5, 4, 5, 6}, 2, 3),
		tensor.FromF32([]float32{7}),
		tensor.FromI64([]int64{1, 2, 3}, 3),
		tensor.FromI8([]int8{-1, 2}, 1, 2, 1),
		tensor.FromU8(nil, 0, 4),
	} {
		var b bytes.Buffer
		require.NoError(t, Write(&b, x))
		y, err := Read(&b)
		require.NoError(t, err)
		require.Equal(t, x.Spec, y.Spec)
		require.Equal(t, string(x.Data), string(y.Data))
	}
}

func TestRealFile(t *testing.T) {
	x, err := ReadFile(shared.Path(t, "models/real-onnx/resnet20/input.npy"))
	require.NoError(t, err)
	require.Equal(t, tensor.F32Spec(4, 3, 32, 32), x.Spec)
}

func TestBadFiles(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Write(&b, tensor.FromF32([]float32{1, 2, 3, 4}, 2, 2)))
	good := b.Bytes()
	for n := range good {
		_, err := Read(bytes.NewReader(good[:n]))
		require.ErrorIs(t, err, ErrFormat, "%d bytes", n)
	}
	for old, new := range map[string]string{"<f4": ">f4", "False": "True ", "(2, 2)": "(2,-2)", "NUMPY": "numpy", "'shape'": "'shapes"} {
		_, err := Read(bytes.NewReader(bytes.Replace(good, []byte(old), []byte(new), 1)))
		require.ErrorIs(t, err, ErrFormat, new)
	}
	huge := bytes.Replace(good, []byte("(2, 2)"), []byte("(9999999, 9999)"), 1)
	_, err := Read(bytes.NewReader(huge))
	require.ErrorIs(t, err, ErrFormat)
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := Write(&b, tensor.FromF32([]float32{1, 2, 3, 4}, 2, 2)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		var w bytes.Buffer
		if Write(&w, x) == nil {
			y, err := Read(&w)
			require.NoError(t, err)
			require.Equal(t, x.Spec, y.Spec)
		}
	})
}
