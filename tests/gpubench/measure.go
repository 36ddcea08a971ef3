package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// rate is what the device was seen to do at best, by this backend's own kernels.
type rate struct {
	GBs    float64 `json:"copy_gb_per_s"`
	TFLOPs float64 `json:"product_tflops"`
}

// kernel is all layers of a network that one kernel computes.
type kernel struct {
	Name      string  `json:"kernel"`
	Layers    int     `json:"layers"`
	Ms        float64 `json:"ms"`
	Bandwidth float64 `json:"share_of_copy"`
	Products  float64 `json:"share_of_product"`
	bytes     float64
	flops     float64
}

func open(b accel.Backend, g *graph.Graph, batch int, p ops.Precision) (*runtime.Model, *runtime.Session, error) {
	m, err := runtime.New(g, runtime.WithBackend(b), runtime.WithPrecision(p), runtime.WithGraphAsIs())
	if err != nil {
		return nil, nil, err
	}
	s, err := m.NewSession(runtime.WithBatch(batch))
	if err != nil {
		return nil, nil, errors.Join(err, m.Close())
	}
	for i := range s.NumInputs() {
		for j, v := 0, s.Input(i).F32(); j < len(v); j++ {
			v[j] = float32(j%251)/125 - 1
		}
	}
	return m, s, nil
}

// rates times a copy of two matrices' size and a product of two.
func rates(b accel.Backend, p ops.Precision, s settings) (rate, error) {
	n := s.side
	w := tensor.New(tensor.F32Spec(n, n))
	for i := range w.F32() {
		w.F32()[i] = float32(i%127)/127 - 0.5
	}
	g := graph.NewBuilder("rates")
	x := g.Input("x", tensor.F32Spec(1, n), true)
	y := g.Add("product", &ops.Dense{}, []tensor.Tensor{w}, x)
	g.Output("y", g.Add("copy", &ops.Unary{Fn: ops.UnaryNeg}, nil, y))
	built, err := g.Build()
	if err != nil {
		return rate{}, err
	}
	m, sess, err := open(b, built, n, p)
	if err != nil {
		return rate{}, err
	}
	ns, err := least(sess, s.least)
	var r rate
	for i, l := range sess.Layers() {
		switch t := float64(max(1, ns[i])); l.Name {
		case "product":
			r.TFLOPs = 2 * float64(l.MACs) / t / 1e3
		case "copy":
			r.GBs = 2 * float64(n*n*bytesOf(p)) / t
		}
	}
	return r, errors.Join(err, sess.Close(), m.Close())
}

func bytesOf(p ops.Precision) int {
	if p == ops.PrecisionF16 || p == ops.PrecisionBF16 {
		return 2
	}
	return 4
}

// least is the least time of each layer over some runs.
func least(s *runtime.Session, runs int) ([]int64, error) {
	ns := s.Profile()
	best := make([]int64, len(ns))
	for i := range runs {
		if err := s.Run(context.Background()); err != nil {
			return best, err
		}
		for j, t := range ns {
			if i == 0 || t < best[j] {
				best[j] = t
			}
		}
	}
	return best, nil
}

// kernels sums up the layers by kernel. What a layer moves at least is its
// operands, its weights and its result, once.
func kernels(m *runtime.Model, s *runtime.Session, p ops.Precision, limits rate, runs int) ([]kernel, error) {
	ns, err := least(s, runs)
	if err != nil {
		return nil, err
	}
	by := map[string]*kernel{}
	for i, l := range s.Layers() {
		k := by[l.Path]
		if k == nil {
			k = &kernel{Name: strings.TrimPrefix(l.Path, "cuda/")}
			by[l.Path] = k
		}
		elems := l.Params + l.Out.Shape.Elems()
		for _, in := range m.Compiled().Node(l.ID).In {
			elems += m.Compiled().Node(in).Out.Shape.Elems() * l.Out.Shape.Dim(0)
		}
		k.Layers++
		k.Ms += float64(ns[i]) / 1e6
		k.bytes += float64(elems * bytesOf(p))
		k.flops += 2 * float64(l.MACs)
	}
	var all []kernel
	for _, k := range by {
		k.Bandwidth = k.bytes / max(k.Ms, 1e-6) / 1e6 / limits.GBs
		k.Products = k.flops / max(k.Ms, 1e-6) / 1e9 / limits.TFLOPs
		all = append(all, *k)
	}
	slices.SortFunc(all, func(a, b kernel) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(all, func(a, b kernel) int { return int(1e3 * (b.Ms - a.Ms)) })
	return all, nil
}

//go:embed torch.py
var script string

// torch is what PyTorch took on the same device.
type torch struct {
	times map[string]float64 // "resnet18 64 f16": ms
	rates map[string]float64 // "f16": TFLOP/s of a large product
}

// askTorch runs torch.py; without PyTorch, or where it sees no device, there is
// nothing to compare with.
func askTorch(s settings) torch {
	var batches []string
	for _, b := range s.batches {
		batches = append(batches, fmt.Sprint(b))
	}
	out, err := exec.Command(s.python, "-c", script, strings.Join(s.networks, ","), strings.Join(batches, ","),
		strings.Join(s.precisions, ","), fmt.Sprint(s.side), fmt.Sprint(s.runs)).Output()
	var t struct{ Times, Rates map[string]float64 }
	if err != nil || json.Unmarshal(out, &t) != nil {
		return torch{}
	}
	return torch{t.Times, t.Rates}
}
