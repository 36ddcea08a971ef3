package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime/train"
	"github.com/teff-ml/teff/tools/arch"
	"github.com/teff-ml/teff/tools/onnx"
)

// serve takes steps of Teff, in the same words as step.py.
func serve(spec childSpec) error {
	goruntime.GOMAXPROCS(spec.threads)
	t, err := spec.trainer()
	if err != nil {
		return err
	}
	defer t.Close()
	var layers []train.LayerTime
	for {
		var steps int
		if _, err := fmt.Scan(&steps); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		best := math.Inf(1)
		for range steps {
			start := time.Now()
			if _, err := t.StepInPlace(); err != nil {
				return err
			}
			best = min(best, time.Since(start).Seconds()*1e3)
			layers = least(layers, t, spec.layers)
			fill(t)
		}
		peak, err := peakMemory()
		if err != nil {
			return err
		}
		fmt.Println(best, peak, t.PeakBytes())
	}
	return printLayers(os.Stderr, layers)
}

// childSpec is what a child trains.
type childSpec struct {
	net, file      string // a file of ONNX; "": one of arch
	batch, threads int
	head, layers   bool
}

func (s childSpec) trainer() (*train.Trainer, error) {
	g, err := arch.New(s.net, arch.Options{})
	if s.file != "" {
		g, err = onnx.ImportFile(s.file)
	}
	if err != nil {
		return nil, err
	}
	cfg := train.Config{Batch: s.batch, Threads: s.threads, Optimizer: train.SGD{Momentum: 0.9}, Schedule: train.Constant(1e-4)}
	if o := g.Node(g.Outputs()[0].ID).Out.Shape; o.Rank() != 2 || s.net == "autoencoder" {
		cfg.Loss = train.MeanSquares
	}
	if s.head {
		id, err := train.Head(g)
		if err != nil {
			return nil, err
		}
		name := g.Node(id).Name
		cfg.Trainable = func(n *graph.Node, _ int) bool { return n.Name == name }
	}
	t, err := train.New(g, cfg)
	if err == nil {
		fill(t)
	}
	return t, err
}

// fill writes the minibatch: the arena keeps an input only as long as a step
// needs it.
func fill(t *train.Trainer) {
	s := uint32(1)
	noise := func(x []float32) {
		for i := range x {
			s = s*1664525 + 1013904223
			x[i] = float32(int32(s)) / (1 << 31)
		}
	}
	noise(t.Input(0).F32())
	if y := t.Target(); y.DType == tensor.F32 {
		noise(y.F32())
	} else {
		for i, y := 0, y.I32(); i < len(y); i++ {
			y[i] = int32(i % min(10, t.Scores().Shape.Channels()))
		}
	}
}

// peakMemory is the most that this process has held.
func peakMemory() (int, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kib int
	_, err = fmt.Sscan(rest, &kib)
	return kib << 10, err
}

// least makes layers the least times of each layer up to this step's.
func least(layers []train.LayerTime, t *train.Trainer, wanted bool) []train.LayerTime {
	if !wanted {
		return nil
	}
	now := t.Profile()
	if layers == nil || layers[len(layers)-1].Forward == 0 { // the first step was not noted
		return slices.Clone(now)
	}
	for i := range layers {
		l, n := &layers[i], &now[i]
		l.Forward, l.Backward, l.Update = min(l.Forward, n.Forward), min(l.Backward, n.Backward), min(l.Update, n.Update)
	}
	return layers
}

// printLayers prints times by operator, then the layers, the dearest first.
func printLayers(w io.Writer, layers []train.LayerTime) error {
	if layers == nil {
		return nil
	}
	whole := func(l train.LayerTime) time.Duration { return l.Forward + l.Backward + l.Update }
	dearest := func(a, b train.LayerTime) int { return cmp.Compare(whole(b), whole(a)) }
	sums := map[string]train.LayerTime{}
	for _, l := range layers {
		s := sums[l.Kind.String()]
		sums[l.Kind.String()] = train.LayerTime{Kind: l.Kind, Name: "all", Forward: s.Forward + l.Forward, Backward: s.Backward + l.Backward, Update: s.Update + l.Update}
	}
	kinds := slices.SortedFunc(maps.Values(sums), dearest)
	slices.SortStableFunc(layers, dearest)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "layer\top\tresult\tms\tforward\tbackward\tupdate")
	for _, l := range append(kinds, layers[:min(len(layers), 40)]...) {
		fmt.Fprintf(tw, "%s\t%v\t%v\t%.2f\t%.2f\t%.2f\t%.2f\n", l.Name, l.Kind, l.Out, ms(whole(l)), ms(l.Forward), ms(l.Backward), ms(l.Update))
	}
	return tw.Flush()
}

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }
