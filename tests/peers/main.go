// Command peers runs Teff and ONNX Runtime side by side on the same networks,
// weights and inputs, in turns, checks that they agree, and prints one table.
// run.sh fetches ONNX Runtime and starts it.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tools/arch"
	"github.com/teff-ml/teff/tools/onnx"
)

// row is one line of the table. Times are the least of all runs.
type row struct {
	Network    string  `json:"network"`
	Threads    int     `json:"threads"`
	Precision  string  `json:"precision"`
	TeffMs     float64 `json:"teff_ms"`
	OrtMs      float64 `json:"ort_ms"`
	Ratio      float64 `json:"ratio"`
	GMACs      float64 `json:"gmac_per_s"`
	Ceiling    float64 `json:"ceiling_share"`
	Arena      int     `json:"arena_bytes"`
	RSS        int64   `json:"rss_bytes"`
	OrtRSS     int64   `json:"ort_rss_bytes"`
	Cold       float64 `json:"cold_ms"`
	OrtCold    float64 `json:"ort_cold_ms"`
	Difference float64 `json:"difference"`
}

const networks = "resnet18,resnet50,vgg11,squeezenet,mobilenetv2,mobilenetv1,resnet8,dscnn,autoencoder"

func main() {
	lib := flag.String("lib", "", "path of libonnxruntime.so")
	nets := flag.String("networks", networks, "which networks: names of teff new, or ONNX files of one input and one output")
	threads := flag.String("threads", "1,2", "numbers of threads")
	rounds := flag.Int("rounds", 5, "turns of each engine")
	asJSON := flag.Bool("json", false, "print one JSON object")
	exact := flag.Bool("exact", false, "no Winograd")
	bf16 := flag.Bool("bf16", false, "bfloat16 products")
	int8 := flag.Bool("int8", false, "quantised networks: integers in Teff, QuantizeLinear and DequantizeLinear in ONNX Runtime")
	batch := flag.Int("batch", 0, "images a run; 0: as many as the network's inputs say, one of teff new's")
	size := flag.Int("size", 0, "height and width of teff new's inputs; 0: their own")
	cases := flag.String("operators", "", "compare single operators, with PyTorch: prefixes of cases in operators.py, or all")
	python := flag.String("python", "/usr/bin/python3", "interpreter that has torch, for --operators")
	child := flag.String("child", "", "internal: teff or ort, one cold run")
	model := flag.String("model", "", "internal")
	flag.Parse()
	var err error
	switch {
	case *cases != "":
		err = operators(*lib, *python, strings.Split(*cases, ","), *rounds)
	case *child != "":
		err = cold(*child, *model, *lib)
	default:
		err = run(*lib, strings.Split(*nets, ","), strings.Split(*threads, ","), *rounds, *asJSON, settings{*exact, *bf16, *int8, *batch, *size})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// settings are what both engines are asked for.
type settings struct {
	exact, bf16, int8 bool
	batch, size       int // 0: the network's own
}

func (s settings) precision() string {
	switch {
	case s.int8:
		return "int8"
	case s.bf16:
		return "bf16"
	}
	return "f32"
}

// limit is how far outputs may be apart, of their norm. Integer engines round
// each layer's results to 8 bits, and not all halves alike.
func (s settings) limit() float64 {
	switch {
	case s.int8:
		return 0.15
	case s.bf16:
		return 5e-2
	}
	return 1e-3
}

func run(lib string, nets, threads []string, rounds int, asJSON bool, set settings) error {
	ort.SetSharedLibraryPath(lib)
	if err := ort.InitializeEnvironment(); err != nil {
		return err
	}
	defer ort.DestroyEnvironment()
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var rows []row
	for _, n := range nets {
		g, err := network(n, set)
		if err != nil {
			return err
		}
		if set.int8 {
			if g, err = quantised(g); err != nil {
				return fmt.Errorf("%s: %w", n, err)
			}
		}
		for _, th := range threads {
			var t int
			if _, err := fmt.Sscan(th, &t); err != nil || t < 1 {
				return fmt.Errorf("--threads %q", th)
			}
			r, err := compare(n, g, t, rounds, dir, lib, set)
			if err != nil {
				return fmt.Errorf("%s: %w", n, err)
			}
			rows = append(rows, *r)
			if !asJSON {
				fmt.Fprintf(os.Stderr, "%s, %d threads: %.3f ms, ONNX Runtime %.3f ms\n", n, t, r.TeffMs, r.OrtMs)
			}
		}
	}
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"rows": rows})
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "network\tthreads\tTeff ms\tORT ms\tratio\tGMAC/s\tof ceiling\tarena MB\tRSS MB\tORT RSS\tcold ms\tORT cold\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%.3f\t%.3f\t%.2f\t%.1f\t%.0f %%\t%.2f\t%.0f\t%.0f\t%.0f\t%.0f\t\n", r.Network, r.Threads, r.TeffMs, r.OrtMs, r.Ratio,
			r.GMACs, 100*r.Ceiling, float64(r.Arena)/1e6, float64(r.RSS)/1e6, float64(r.OrtRSS)/1e6, r.Cold, r.OrtCold)
	}
	return w.Flush()
}

// isFile says that a network is an ONNX file and not one of Teff's own.
func isFile(name string) bool { return strings.HasSuffix(name, ".onnx") }

func network(name string, set settings) (*graph.Graph, error) {
	if isFile(name) {
		return onnx.ImportFile(name)
	}
	return arch.New(name, arch.Options{Seed: 1, Size: set.size})
}

// files writes what each engine opens. A file stays the peer's as it is, unless
// it was quantised here.
func files(name string, g *graph.Graph, dir string, set settings) (onnxPath, teffPath string, err error) {
	base := strings.TrimSuffix(filepath.Base(name), ".onnx")
	onnxPath, teffPath = filepath.Join(dir, base+".onnx"), filepath.Join(dir, base+".teff")
	if isFile(name) && !set.int8 {
		onnxPath = name
	} else {
		var b bytes.Buffer
		if err := onnx.Export(&b, g); err != nil {
			return "", "", err
		}
		if err := os.WriteFile(onnxPath, b.Bytes(), 0o600); err != nil {
			return "", "", err
		}
	}
	return onnxPath, teffPath, format.WriteFile(teffPath, g, nil)
}

// compare times both engines in turns.
func compare(name string, g *graph.Graph, threads, rounds int, dir, lib string, set settings) (*row, error) {
	onnxPath, teffPath, err := files(name, g, dir, set)
	if err != nil {
		return nil, err
	}
	opts := []runtime.Option{runtime.WithThreads(threads)}
	r := &row{Network: strings.TrimSuffix(filepath.Base(name), ".onnx"), Threads: threads, Precision: set.precision()}
	if set.exact {
		opts = append(opts, runtime.WithExact())
	}
	if set.bf16 {
		opts = append(opts, runtime.WithBF16())
	}
	m, err := runtime.Open(teffPath, opts...)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	var batch []runtime.SessionOption
	if set.batch > 0 {
		batch = append(batch, runtime.WithBatch(set.batch))
	}
	s, err := m.NewSession(batch...)
	if err != nil {
		return nil, err
	}
	peer, err := newPeer(onnxPath, s, threads)
	if err != nil {
		return nil, err
	}
	defer peer.Destroy()
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range s.Input(0).F32() {
		s.Input(0).F32()[i] = float32(rng.NormFloat64())
	}
	copy(peer.in.GetData(), s.Input(0).F32())
	teff := func() error { return s.Run(context.Background()) }
	r.TeffMs, r.OrtMs = math.Inf(1), math.Inf(1)
	for range rounds {
		for _, e := range []struct {
			f    func() error
			best *float64
		}{{teff, &r.TeffMs}, {peer.session.Run, &r.OrtMs}} {
			start := time.Now()
			for n := 0; n < 3 || time.Since(start) < 150*time.Millisecond; n++ {
				t := time.Now()
				if err := e.f(); err != nil {
					return nil, err
				}
				*e.best = min(*e.best, float64(time.Since(t).Nanoseconds())/1e6)
			}
		}
	}
	if r.Difference = difference(s.Output(0).F32(), peer.out.GetData()); !(r.Difference < set.limit()) {
		return nil, fmt.Errorf("outputs differ by %.2g of their norm", r.Difference)
	}
	var macs int64
	for _, l := range s.Layers() {
		macs += l.MACs
	}
	r.Ratio = r.TeffMs / r.OrtMs
	r.GMACs = float64(macs) / r.TeffMs / 1e6
	r.Ceiling = 2 * r.GMACs / ops.CeilingGFLOPS(50*time.Millisecond)
	r.Arena = s.Memory().Arena
	if r.Cold, r.RSS, err = childRun("teff", teffPath, lib); err != nil {
		return nil, err
	}
	r.OrtCold, r.OrtRSS, err = childRun("ort", onnxPath, lib)
	return r, err
}

// difference is the norm of the difference, of want's norm.
func difference(got, want []float32) float64 {
	var d, norm float64
	for i, v := range got {
		e := float64(v) - float64(want[i])
		d += e * e
		norm += float64(want[i]) * float64(want[i])
	}
	return math.Sqrt(d / norm)
}

// peer is an ONNX Runtime session with its tensors bound.
type peer struct {
	session *ort.AdvancedSession
	in, out *ort.Tensor[float32]
}

func (p *peer) Destroy() {
	p.session.Destroy()
	p.in.Destroy()
	p.out.Destroy()
}

func newPeer(path string, s *runtime.Session, threads int) (*peer, error) {
	var in, out []int64
	for _, d := range s.Input(0).Shape.Dims() {
		in = append(in, int64(d))
	}
	for _, d := range s.Output(0).Shape.Dims() {
		out = append(out, int64(d))
	}
	return openPeer(path, in, out, threads)
}

func openPeer(path string, in, out []int64, threads int) (*peer, error) {
	inputs, outputs, err := ort.GetInputOutputInfo(path)
	if err != nil {
		return nil, err
	}
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	defer o.Destroy()
	if err := errors.Join(o.SetIntraOpNumThreads(threads), o.SetInterOpNumThreads(1)); err != nil {
		return nil, err
	}
	p := &peer{}
	if in == nil {
		in, out = inputs[0].Dimensions, outputs[0].Dimensions
		in[0], out[0] = max(1, in[0]), max(1, out[0])
	}
	if p.in, err = ort.NewEmptyTensor[float32](ort.NewShape(in...)); err != nil {
		return nil, err
	}
	if p.out, err = ort.NewEmptyTensor[float32](ort.NewShape(out...)); err != nil {
		return nil, err
	}
	p.session, err = ort.NewAdvancedSession(path, []string{inputs[0].Name}, []string{outputs[0].Name}, []ort.Value{p.in}, []ort.Value{p.out}, o)
	return p, err
}

// childRun starts this program anew for one cold run of an engine: time from
// the process's start to its first result, and its peak memory.
func childRun(engine, model, lib string) (ms float64, rss int64, err error) {
	best := math.Inf(1)
	for range 3 {
		start := time.Now()
		out, err := exec.Command(os.Args[0], "-child", engine, "-model", model, "-lib", lib).Output()
		if err != nil {
			return 0, 0, fmt.Errorf("cold run of %s: %w", engine, err)
		}
		best = min(best, float64(time.Since(start).Nanoseconds())/1e6)
		if _, err := fmt.Sscan(string(out), &rss); err != nil {
			return 0, 0, err
		}
	}
	return best, rss, nil
}

// cold runs a model once and prints the process's peak memory.
func cold(engine, model, lib string) error {
	if engine == "ort" {
		ort.SetSharedLibraryPath(lib)
		if err := ort.InitializeEnvironment(); err != nil {
			return err
		}
		p, err := openPeer(model, nil, nil, 1)
		if err != nil {
			return err
		}
		if err := p.session.Run(); err != nil {
			return err
		}
	} else {
		m, err := runtime.Open(model, runtime.WithThreads(1))
		if err != nil {
			return err
		}
		s, err := m.NewSession()
		if err != nil {
			return err
		}
		if err := s.Run(context.Background()); err != nil {
			return err
		}
	}
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		var kb int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kb); n == 1 {
			fmt.Println(kb << 10)
		}
	}
	return nil
}
