package ops

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// BenchmarkConvGradWeight times the weights' gradient of a first layer tap by
// tap and with taps together, in turns.
func BenchmarkConvGradWeight(b *testing.B) {
	for _, c := range []struct {
		name       string
		n, size    int
		kernel, oc int
		stride     int
	}{{"7x7 of 224", 4, 224, 7, 64, 2}, {"3x3 of 32", 32, 32, 3, 16, 1}} {
		b.Run(c.name, func(b *testing.B) {
			op := &Conv{Window: Window{Stride: []int{c.stride, c.stride}, Auto: PadSameUpper}}
			x := tensor.FromF32(make([]float32, c.n*c.size*c.size*3), c.n, c.size, c.size, 3)
			w := tensor.FromF32(make([]float32, c.oc*c.kernel*c.kernel*3), c.oc, c.kernel, c.kernel, 3)
			out, err := op.Infer([]tensor.Spec{x.Spec}, []tensor.Spec{w.Spec})
			require.NoError(b, err)
			s, _, err := op.resolve([]tensor.Spec{x.Spec}, []tensor.Spec{w.Spec})
			require.NoError(b, err)
			g := &Grads{In: []tensor.Tensor{x}, DOut: tensor.New(out), DParams: []tensor.Tensor{tensor.New(w.Spec)}}
			run := func(few bool) float64 {
				p := &GradPrep{Threads: 1}
				var k GradKernel = newConvGradWeight(p, &convGrad{convSpec: s})
				if few {
					k = newConvGradWeightFew(p, &convGrad{convSpec: s})
				}
				g.Scratch = tensor.AlignedBytes(p.ScratchSize())
				start := time.Now()
				k.Run(g)
				return time.Since(start).Seconds() * 1e3
			}
			apart, together := math.Inf(1), math.Inf(1)
			for b.Loop() {
				apart, together = min(apart, run(false)), min(together, run(true))
			}
			b.ReportMetric(apart, "ms-apart")
			b.ReportMetric(together, "ms-together")
			b.ReportMetric(together/apart, "ratio")
		})
	}
}
