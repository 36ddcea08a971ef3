package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/runtime/tune"
)

type benchResult struct {
	Model      string      `json:"model"`
	Threads    int         `json:"threads"`
	Batch      int         `json:"batch"`
	Runs       int         `json:"runs"`
	Precision  string      `json:"precision"`
	Device     string      `json:"device"`
	Median     float64     `json:"median_ms"`
	Min        float64     `json:"min_ms"`
	P90        float64     `json:"p90_ms"`
	Allocs     float64     `json:"allocs_per_run"`
	Arena      int         `json:"arena_bytes"`
	LiveSet    int         `json:"live_set_bytes"`
	Packed     int         `json:"packed_bytes"`
	Load       float64     `json:"load_ms"`
	RSS        int64       `json:"rss_bytes"`
	GFLOPS     float64     `json:"gflops"`
	Ceiling    float64     `json:"ceiling_gflops"`
	LayerTimes []layerTime `json:"layers,omitempty"`
}

type layerTime struct {
	Name   string  `json:"name"`
	Kind   string  `json:"kind"`
	Kernel string  `json:"kernel"`
	Ms     float64 `json:"ms"`
	GMACs  float64 `json:"gmac_per_s"`
	Share  float64 `json:"ceiling_share"`
}

func runBench(ctx context.Context, c *cli, args []string) error {
	f := newFlags(c, "bench", "MODEL")
	ld := loadFlags(f)
	threads := f.Int("threads", 1, "threads; 0: all")
	batch := f.Int("batch", 1, "batch size")
	runs := f.Int("runs", 0, "timed runs; 0: as many as fit two seconds, at least 10")
	exact := f.Bool("exact", false, "no kernel that rounds more than plain float32 sums")
	precision := f.String("precision", "f32", precisionHelp)
	device := f.String("device", "cpu", deviceHelp)
	untuned := f.Bool("untuned", false, untunedHelp)
	layers := f.Bool("layers", false, "time of each layer")
	trace := f.String("trace", "", "write a Chrome trace of one run to this file")
	pos, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	if *batch < 1 || *runs < 0 || *threads < 0 {
		return usagef("--batch, --runs and --threads cannot be negative, nor the batch 0")
	}
	if *trace != "" {
		if err := canWrite(*trace); err != nil {
			return err
		}
	}
	opts := []runtime.Option{runtime.WithThreads(*threads)}
	if *exact {
		opts = append(opts, runtime.WithExact())
	}
	if opts, err = withPrecision(opts, *precision, *device); err != nil {
		return err
	}
	start := time.Now()
	ld.toRun = *device == "cpu"
	m, err := ld.load(pos[0])
	if err != nil {
		return err
	}
	defer m.close()
	if !*untuned {
		more, err := m.tuned(c, tune.Setting{Threads: *threads, Batch: *batch, Precision: *precision, Exact: *exact})
		if err != nil {
			return err
		}
		opts = append(opts, more...)
	}
	rm, s, err := m.onDevice(c, *device, opts, func(*runtime.Model) []runtime.SessionOption {
		if *batch > 1 {
			return []runtime.SessionOption{runtime.WithBatch(*batch)}
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer rm.Close()
	defer s.Close()
	res := &benchResult{Model: pos[0], Threads: *threads, Batch: *batch, Precision: *precision, Device: rm.Backend(), Load: ms(time.Since(start))}
	if res.Threads == 0 {
		res.Threads = goruntime.GOMAXPROCS(0)
	}
	tune.Noise(s)
	if err := res.measure(ctx, s, *runs); err != nil {
		return err
	}
	if *layers || *trace != "" {
		if err := res.layers(ctx, s, *trace); err != nil {
			return err
		}
	}
	if f.json {
		return printJSON(c.out, res)
	}
	return res.print(c.out)
}

// measure times runs one by one after a warm-up, and the machine's ceiling
// before and after, of which the better counts.
func (r *benchResult) measure(ctx context.Context, s *runtime.Session, runs int) error {
	warm := time.Now()
	n := 0
	for time.Since(warm) < 200*time.Millisecond || n < 2 {
		if err := s.Run(ctx); err != nil {
			return err
		}
		n++
	}
	one := time.Since(warm) / time.Duration(n)
	if runs == 0 {
		runs = min(max(10, int(2*time.Second/max(one, 1))), 100_000)
	}
	r.Runs = runs
	ceil := ops.CeilingGFLOPS(50 * time.Millisecond)
	times := make([]float64, runs)
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	for i := range times {
		t := time.Now()
		if err := s.Run(ctx); err != nil {
			return err
		}
		times[i] = ms(time.Since(t))
	}
	goruntime.ReadMemStats(&after)
	ceil = max(ceil, ops.CeilingGFLOPS(50*time.Millisecond))
	slices.Sort(times)
	r.Median, r.Min, r.P90 = times[runs/2], times[0], times[min(runs-1, runs*9/10)]
	r.Allocs = float64(after.Mallocs-before.Mallocs) / float64(runs)
	if r.Allocs < 0.5 { // the Go runtime's own goroutines allocate now and then
		r.Allocs = 0
	}
	mem := s.Memory()
	r.Arena, r.LiveSet, r.Packed, r.RSS = mem.Arena, mem.LiveSet, mem.Packed, peakRSS()
	var macs int64
	for _, l := range s.Layers() {
		macs += l.MACs
	}
	r.GFLOPS, r.Ceiling = 2*float64(macs)/r.Median/1e6, ceil
	return nil
}

// layers times each layer over some runs (the least of each) and writes the
// trace of the last run.
func (r *benchResult) layers(ctx context.Context, s *runtime.Session, trace string) error {
	ns, ls := s.Profile(), s.Layers()
	best := make([]int64, len(ns))
	for i := range min(r.Runs, 50) {
		if err := s.Run(ctx); err != nil {
			return err
		}
		for j, t := range ns {
			if i == 0 || t < best[j] {
				best[j] = t
			}
		}
	}
	for i, l := range ls {
		t := max(float64(best[i]), 1)
		g := float64(l.MACs) / t
		r.LayerTimes = append(r.LayerTimes, layerTime{l.Name, l.Kind.String(), l.Path, t / 1e6, g, 2 * g / r.Ceiling})
	}
	if trace == "" {
		return nil
	}
	return writeTrace(trace, ls, ns)
}

// writeTrace writes the layers of one run in Chrome's trace event format.
func writeTrace(path string, ls []accel.Layer, ns []int64) error {
	type event struct {
		Name string         `json:"name"`
		Cat  string         `json:"cat"`
		Ph   string         `json:"ph"`
		Ts   float64        `json:"ts"`
		Dur  float64        `json:"dur"`
		Pid  int            `json:"pid"`
		Tid  int            `json:"tid"`
		Args map[string]any `json:"args"`
	}
	var events []event
	at := 0.0
	for i, l := range ls {
		d := float64(ns[i]) / 1e3
		events = append(events, event{l.Name, l.Kind.String(), "X", at, d, 1, 1,
			map[string]any{"kernel": l.Path, "out": l.Out.String(), "macs": l.MACs}})
		at += d
	}
	b, err := json.Marshal(map[string]any{"traceEvents": events})
	if err != nil {
		return err
	}
	return writeAtomic(path, b)
}

func (r *benchResult) print(w io.Writer) error {
	if len(r.LayerTimes) > 0 {
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "layer\top\tms\tGMAC/s\tof ceiling\tkernel")
		for _, l := range r.LayerTimes {
			fmt.Fprintf(tw, "%s\t%s\t%.3f\t%.1f\t%.0f %%\t%s\n", short(l.Name), l.Kind, l.Ms, l.GMACs, 100*l.Share, l.Kernel)
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "%d runs, batch %d, threads %d: median %.3f ms, min %.3f ms, p90 %.3f ms\n", r.Runs, r.Batch, r.Threads, r.Median, r.Min, r.P90)
	of := "of %.1f (one core's FMA loop)"
	if !strings.HasPrefix(r.Device, "cpu") {
		of = "on " + r.Device + "; %.1f a core's FMA loop here"
	}
	fmt.Fprintf(w, "%.1f GFLOP/s "+of+"; %g allocations a run; load %.1f ms\n", r.GFLOPS, r.Ceiling, r.Allocs, r.Load)
	_, err := fmt.Fprintf(w, "arena %s, packed weights %s, peak resident %s\n", bytesText(int64(r.Arena)), bytesText(int64(r.Packed)), bytesText(r.RSS))
	return err
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// peakRSS is the process's largest resident size in bytes, 0 where the system
// does not say.
func peakRSS() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytesLines(b) {
		var kb int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	return 0
}
