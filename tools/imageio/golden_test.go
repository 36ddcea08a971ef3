package imageio

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tests/shared"
	"github.com/teff-ml/teff/tools/npy"
)

// TestReferenceInputs makes the inputs of the reference outputs from their
// images, byte for byte: TFLite's legacy bilinear and Pillow's.
func TestReferenceInputs(t *testing.T) {
	for model, size := range map[string]int{"mobilenet_v1_0.25_128_quant": 128, "mobilenet_v2_1.0_224_quant": 224} {
		for i, name := range []string{"cat", "bird", "sunflower", "grace_hopper"} {
			t.Run(fmt.Sprint(size, name), func(t *testing.T) {
				want, err := npy.ReadFile(shared.Path(t, "golden", "coral", model, fmt.Sprintf("input_%d.npy", i)))
				require.NoError(t, err)
				m, err := Load(shared.Path(t, "models", "coral", name+".bmp"))
				require.NoError(t, err)
				mode := Antialias
				if i == 0 {
					mode = Legacy
				}
				p, err := Fit(format.Preprocess{Mode: mode}, want.Spec)
				require.NoError(t, err)
				got := tensor.New(want.Spec)
				require.NoError(t, Into(got, 0, m, p))
				bad := 0
				for j := range want.Data {
					if want.Data[j] != got.Data[j] {
						bad++
					}
				}
				require.Zero(t, bad, "of %d bytes", len(want.Data))
			})
		}
	}
}

// TestReferenceFloats is the same for inputs that are scaled and laid out. The
// picture of JPEG type allows for decoders that differ by rounding.
func TestReferenceFloats(t *testing.T) {
	rgb := format.Preprocess{Mode: Antialias, Scale: 1.0 / 255, Mean: []float32{.485, .456, .406}, Std: []float32{.229, .224, .225}}
	half := format.Preprocess{Mode: Antialias, Mean: []float32{127.5}, Std: []float32{127.5}}
	squeeze, mobile := "golden/models/squeezenet1.1-nchw/squeezenet1.1/", "golden/models/mobilenetv1-0.25-224/mobilenet_v1_0.25_224_1_default_1/"
	for _, c := range []struct {
		input, image string
		p            format.Preprocess
		limit        float64
	}{
		{squeeze + "input_1.npy", "models/coral/cat.bmp", rgb, 1e-6},
		{squeeze + "input_2.npy", "models/coral/bird.bmp", rgb, 1e-6},
		{mobile + "input_1.npy", "models/coral/cat.bmp", half, 1e-6},
		{mobile + "input_0.npy", "models/mobilenetv1-0.25-224/burger.jpg", half, 2.01 / 127.5},
		{mobile + "input_2.npy", "models/mobilenetv1-0.25-224/multi_objects.jpg", half, 2.01 / 127.5},
	} {
		want, err := npy.ReadFile(shared.Path(t, c.input))
		require.NoError(t, err)
		m, err := Load(shared.Path(t, c.image))
		require.NoError(t, err)
		p, err := Fit(c.p, want.Spec)
		require.NoError(t, err)
		got := tensor.New(want.Spec)
		require.NoError(t, Into(got, 0, m, p))
		worst := 0.0
		for i, v := range want.F32() {
			worst = max(worst, math.Abs(float64(v-got.F32()[i])))
		}
		t.Logf("%s: %.3g, limit %.3g", c.image, worst, c.limit)
		require.LessOrEqual(t, worst, c.limit, "%s", c.image)
	}
}
