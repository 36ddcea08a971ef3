package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

func BenchmarkShape(b *testing.B) {
	for _, c := range []struct {
		name string
		op   Op
		dims []int
	}{
		{"transpose/channels", &Transpose{Perm: []int{0, 3, 1, 2}}, []int{1, 56, 56, 256}},
		{"transpose/shuffle", &Transpose{Perm: []int{0, 1, 2, 4, 3}}, []int{1, 28, 28, 3, 80}},
		{"resize/linear3", &Resize{Mode: ResizeLinear, Sizes: []int{0, 224, 224, 0}}, []int{1, 112, 112, 3}},
		{"resize/linear64", &Resize{Mode: ResizeLinear, Sizes: []int{0, 112, 112, 0}}, []int{1, 56, 56, 64}},
		{"resize/nearest64", &Resize{Coord: CoordAsymmetric, Round: RoundFloor, Sizes: []int{0, 112, 112, 0}}, []int{1, 56, 56, 64}},
		{"pad", &Pad{Lo: []int{0, 1, 1, 0}, Hi: []int{0, 1, 1, 0}}, []int{1, 112, 112, 32}},
		{"slice", &Slice{Starts: []int{0, 1}, Ends: []int{1 << 30, 1 << 30}, Axes: []int{1, 2}, Steps: []int{2, 1}}, []int{1, 112, 112, 32}},
	} {
		b.Run(c.name, func(b *testing.B) {
			in := []tensor.Tensor{normalTensor(1, c.dims...)}
			p := &Prep{In: Specs(in), Threads: 1}
			var err error
			p.Out, err = c.op.Infer(p.In, nil)
			require.NoError(b, err)
			k, err := c.op.Prepare(p)
			require.NoError(b, err)
			a := &Args{In: in, Out: tensor.New(p.Out)}
			b.SetBytes(int64(p.Out.Bytes()))
			for b.Loop() {
				k.Run(a)
			}
		})
	}
}
