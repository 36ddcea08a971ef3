package tests

import (
	"testing"

	"github.com/teff-ml/teff/runtime/train"
	"github.com/teff-ml/teff/tools/arch"
)

// BenchmarkTrainStep times a step of all layers and reports what training
// holds.
func BenchmarkTrainStep(b *testing.B) {
	for _, c := range []struct {
		name  string
		batch int
	}{{"glyphnet", 32}, {"resnet8", 32}, {"resnet18", 16}} {
		b.Run(c.name, func(b *testing.B) {
			g, err := arch.New(c.name, arch.Options{})
			if err != nil {
				b.Fatal(err)
			}
			t, err := train.New(g, train.Config{Batch: c.batch, Threads: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer t.Close()
			fill := func() {
				for i, x := 0, t.Input(0).F32(); i < len(x); i++ {
					x[i] = float32(i%13)/13 - 0.5
				}
				for i, y := 0, t.Target().I32(); i < len(y); i++ {
					y[i] = int32(i % 10)
				}
			}
			b.ReportAllocs()
			b.ReportMetric(float64(t.PeakBytes())/(1<<20), "MiB")
			for b.Loop() {
				fill()
				if _, err := t.StepInPlace(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
