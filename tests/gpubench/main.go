// Command gpubench times networks on the machine's first NVIDIA device, kernel by
// kernel, beside PyTorch where that is installed. Without a device, a driver or
// the build tag cuda it says SKIPPED and why. Nothing of it has run on a GPU yet.
//
//	. accel/cuda/build.env && go run -tags cuda ./tests/gpubench [-json]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/accel/cuda"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tools/arch"
)

type settings struct {
	networks, precisions []string
	batches              []int
	size                 int // of images; 0: the network's own
	side                 int // of the matrices that give the matrix rate
	runs                 int
	least                int // runs kernel by kernel, of which the least times count
	python               string
	json                 bool
}

// result is one network at one batch size and precision.
type result struct {
	Network   string   `json:"network"`
	Batch     int      `json:"batch"`
	Precision string   `json:"precision"`
	Median    float64  `json:"median_ms"`
	Images    float64  `json:"images_per_s"`
	Torch     float64  `json:"torch_median_ms,omitempty"`
	Kernels   []kernel `json:"kernels"`
}

type report struct {
	Device  string             `json:"device"`
	Skipped string             `json:"skipped,omitempty"`
	Rates   map[string]rate    `json:"rates,omitempty"` // by precision
	Torch   map[string]float64 `json:"torch_tflops,omitempty"`
	Results []result           `json:"results,omitempty"`
}

func main() {
	var s settings
	nets := flag.String("networks", "resnet18,resnet50", "which networks")
	batches := flag.String("batches", "1,64", "batch sizes")
	precisions := flag.String("precisions", "f32,tf32,f16,bf16", "precisions")
	flag.IntVar(&s.size, "size", 0, "side of images; 0: the network's own")
	flag.IntVar(&s.side, "side", 8192, "side of the matrices that give the matrix rate")
	flag.IntVar(&s.runs, "runs", 50, "timed runs")
	flag.IntVar(&s.least, "least", 10, "runs kernel by kernel, of which the least times count")
	flag.StringVar(&s.python, "python", "/usr/bin/python3", "a python with torch")
	flag.BoolVar(&s.json, "json", false, "print one JSON object")
	flag.Parse()
	s.networks, s.precisions = strings.Split(*nets, ","), strings.Split(*precisions, ",")
	var err error
	for _, b := range strings.Split(*batches, ",") {
		n, e := strconv.Atoi(b)
		s.batches, err = append(s.batches, n), errors.Join(err, e)
	}
	if err == nil {
		err = run(os.Stdout, s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gpubench:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, s settings) error {
	b, err := cuda.Open()
	if errors.Is(err, accel.ErrUnavailable) {
		return print(w, &report{Skipped: err.Error()}, s.json)
	}
	if err != nil {
		return err
	}
	r, err := measure(b, s)
	if c, ok := b.(io.Closer); ok {
		err = errors.Join(err, c.Close())
	}
	if err != nil {
		return err
	}
	return print(w, r, s.json)
}

func measure(b accel.Backend, s settings) (*report, error) {
	r := &report{Device: b.Name(), Rates: map[string]rate{}}
	torch := askTorch(s)
	r.Torch = torch.rates
	for _, name := range s.precisions {
		p, err := precision(name)
		if err != nil {
			return nil, err
		}
		limits, err := rates(b, p, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		r.Rates[name] = limits
		for _, net := range s.networks {
			for _, batch := range s.batches {
				res, err := network(b, net, batch, p, limits, s)
				if err != nil {
					return nil, fmt.Errorf("%s, batch %d, %s: %w", net, batch, name, err)
				}
				res.Torch = torch.times[fmt.Sprint(net, " ", batch, " ", name)]
				r.Results = append(r.Results, *res)
			}
		}
	}
	return r, nil
}

func precision(name string) (ops.Precision, error) {
	for _, p := range []ops.Precision{ops.PrecisionF32, ops.PrecisionTF32, ops.PrecisionF16, ops.PrecisionBF16} {
		if p.String() == name {
			return p, nil
		}
	}
	return 0, fmt.Errorf("no precision %q", name)
}

// network times whole runs, copies of inputs and outputs included, and then
// kernels one by one.
func network(b accel.Backend, name string, batch int, p ops.Precision, limits rate, s settings) (res *result, err error) {
	g, err := arch.New(name, arch.Options{Size: s.size, Seed: 1})
	if err != nil {
		return nil, err
	}
	if g, err = passes.Infer(g); err != nil {
		return nil, err
	}
	m, sess, err := open(b, g, batch, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sess.Close(), m.Close()) }()
	ms, err := median(sess, s.runs)
	if err != nil {
		return nil, err
	}
	ks, err := kernels(m, sess, p, limits, s.least)
	if err != nil {
		return nil, err
	}
	return &result{Network: name, Batch: batch, Precision: p.String(), Median: ms, Images: float64(batch) / ms * 1e3, Kernels: ks}, nil
}

// median is of whole runs, in milliseconds, after some to warm up.
func median(s *runtime.Session, runs int) (float64, error) {
	var times []float64
	for i := range runs + 3 {
		t := time.Now()
		if err := s.Run(context.Background()); err != nil {
			return 0, err
		}
		if i >= 3 {
			times = append(times, float64(time.Since(t).Nanoseconds())/1e6)
		}
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

func print(w io.Writer, r *report, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(r)
	}
	if r.Skipped != "" {
		_, err := fmt.Fprintf(w, "gpu-bench: SKIPPED, %s\n", r.Skipped)
		return err
	}
	fmt.Fprintf(w, "%s\n", r.Device)
	for _, res := range r.Results {
		l := r.Rates[res.Precision]
		fmt.Fprintf(w, "\n%s, batch %d, %s: median %.3f ms, %.0f images/s", res.Network, res.Batch, res.Precision, res.Median, res.Images)
		if res.Torch > 0 {
			fmt.Fprintf(w, "; PyTorch %.3f ms, ratio %.2f", res.Torch, res.Median/res.Torch)
		}
		fmt.Fprintf(w, "\nshares of %.0f GB/s (a copy) and %.1f TFLOP/s (a large product), both measured here", l.GBs, l.TFLOPs)
		if t := r.Torch[res.Precision]; t > 0 {
			fmt.Fprintf(w, "; PyTorch's product has %.1f TFLOP/s", t)
		}
		fmt.Fprintf(w, "\n| kernel | launches | ms | of bandwidth | of products |\n|---|---|---|---|---|\n")
		for _, k := range res.Kernels {
			fmt.Fprintf(w, "| %s | %d | %.3f | %.2f | %.2f |\n", k.Name, k.Layers, k.Ms, k.Bandwidth, k.Products)
		}
	}
	return nil
}
