package tests

import (
	"compress/gzip"
	"context"
	"fmt"
	"image"
	_ "image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tests/shared"
)

// TestTFLiteBulk runs thousands of images through the runtime, in batches, and
// compares every result with the reference engine's: integer networks bit for
// bit, float ones within 1e-4.
func TestTFLiteBulk(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of images")
	}
	cifar, mnist := func() [][]byte { return cifarImages(t, 2) }, func() [][]byte { return mnistImages(t) }
	for _, c := range []struct {
		dir, file string
		images    func() [][]byte
		scale     float32 // of pixels, for float inputs; 0: int8 inputs, pixel - 128
	}{
		{"mlperf-tiny/ic01/pretrainedResnet_quant", "outputs_batches01.npy", cifar, 0},
		{"models/tinymaix/cifar10_q", "outputs_batches01.npy", cifar, 0},
		{"models/tinymaix/mnist_resnet_q", "outputs_t10k.npy", mnist, 0},
		{"mlperf-tiny/ic01/pretrainedResnet", "outputs_batches01.npy", cifar, 1},
		{"models/tinymaix/mnist_resnet_f", "outputs_t10k.npy", mnist, 255},
	} {
		t.Run(c.dir, func(t *testing.T) {
			dir := filepath.Join(shared.Path(t, "golden"), filepath.FromSlash(c.dir))
			g := importTFLite(t, goldenModel(t, dir))
			want := readTensor(t, filepath.Join(dir, c.file))
			images := c.images()[:want.Shape.Dim(0)]
			const batch = 50
			m, err := runtime.New(g)
			require.NoError(t, err)
			defer m.Close()
			s, err := m.NewSession(runtime.WithBatch(batch))
			require.NoError(t, err)
			defer s.Close()
			row := len(want.Data) / want.Shape.Dim(0)
			bad, worst := 0, 0.0
			for i := 0; i < len(images); i += batch {
				x := s.Input(0)
				for j, im := range images[i : i+batch] {
					for k, p := range im {
						if c.scale == 0 {
							x.I8()[j*len(im)+k] = int8(int(p) - 128)
						} else {
							x.F32()[j*len(im)+k] = float32(p) / c.scale
						}
					}
				}
				require.NoError(t, s.Run(context.Background()))
				y := s.Output(0)
				for j := range batch {
					if c.scale == 0 {
						if string(y.Data[j*row:(j+1)*row]) != string(want.Data[(i+j)*row:(i+j+1)*row]) {
							bad++
						}
						continue
					}
					n := row / 4
					for k := range n {
						worst = max(worst, math.Abs(float64(y.F32()[j*n+k])-float64(want.F32()[(i+j)*n+k])))
					}
				}
			}
			require.Zero(t, bad, "%d of %d images differ", bad, len(images))
			require.LessOrEqual(t, worst, 1e-4)
		})
	}
}

// cifarImages are the pixels (RGB) of whole strips: one image a row of 1024
// pixels.
func cifarImages(t *testing.T, strips int) (images [][]byte) {
	t.Helper()
	for n := range strips {
		f, err := os.Open(shared.Path(t, "datasets", "cifar10-lossless", fmt.Sprintf("cifar10_batch_%d.png", n)))
		require.NoError(t, err)
		im, _, err := image.Decode(f)
		require.NoError(t, f.Close())
		require.NoError(t, err)
		b := im.Bounds()
		require.Equal(t, 1024, b.Dx())
		for y := b.Min.Y; y < b.Max.Y; y++ {
			px := make([]byte, 0, 3*1024)
			for x := b.Min.X; x < b.Max.X; x++ {
				r, g, b, _ := im.At(x, y).RGBA()
				px = append(px, byte(r>>8), byte(g>>8), byte(b>>8))
			}
			images = append(images, px)
		}
	}
	return images
}

// mnistImages are the 10,000 test digits.
func mnistImages(t *testing.T) (images [][]byte) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(shared.Path(t, "datasets", "mnist"), "*t10k-images*"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	f, err := os.Open(names[0])
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	b, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Len(t, b, 16+10000*784)
	for b = b[16:]; len(b) > 0; b = b[784:] {
		images = append(images, b[:784])
	}
	return images
}
