package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
)

func runInspect(_ context.Context, c *cli, args []string) error {
	f := newFlags(c, "inspect", "MODEL")
	ld := loadFlags(f)
	ld.toRun = true
	full := f.Bool("graph", false, "print the graph as the file holds it, too")
	pos, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	m, err := ld.load(pos[0])
	if err != nil {
		return err
	}
	defer m.close()
	return inspect(c, m, f.json, *full)
}

// valueInfo describes an input or output.
type valueInfo struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Shape []any  `json:"shape"` // "N" for the batch
	Quant string `json:"quant,omitempty"`
}

type layerInfo struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Kernel  string `json:"kernel"`
	Out     string `json:"out"`
	Params  int    `json:"params"`
	MACs    int64  `json:"macs"`
	Scratch int    `json:"scratch_bytes"`
	Live    int    `json:"live_bytes"`
}

type modelInfo struct {
	Name        string         `json:"name"`
	Inputs      []valueInfo    `json:"inputs"`
	Outputs     []valueInfo    `json:"outputs"`
	Params      int            `json:"params"`
	MACs        int64          `json:"macs"`
	FileBytes   int64          `json:"file_bytes"`
	WeightBytes int            `json:"weight_bytes"`
	PackedBytes int            `json:"packed_bytes"`
	ArenaBytes  int            `json:"arena_bytes"`
	LiveBytes   int            `json:"live_set_bytes"`
	PeakBytes   int            `json:"peak_bytes"`
	RunBytes    int            `json:"run_peak_bytes"` // where large weights stay in few bits, as in run and bench
	Encodings   map[string]int `json:"encodings,omitempty"`
	Layers      []layerInfo    `json:"layers"`
	Labels      []string       `json:"labels,omitempty"`
	// Preprocess is what the file says an image becomes, nil where it says nothing.
	Preprocess *format.Preprocess `json:"preprocess,omitempty"`

	per string // what the work is for
}

func inspect(c *cli, m *model, asJSON, full bool) error {
	info, err := describe(m)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.out, info)
	}
	if full {
		if err := graph.Print(c.out, m.graph); err != nil {
			return err
		}
	}
	return info.print(c.out)
}

// describe compiles the model for batch 1, or the one that is fixed, and asks
// what that takes.
func describe(m *model) (*modelInfo, error) {
	rm, err := m.prepare()
	if err != nil {
		return nil, err
	}
	defer rm.Close()
	s, err := rm.NewSession()
	if err != nil {
		return nil, err
	}
	g := rm.Compiled()
	info := &modelInfo{Name: g.Name(), FileBytes: m.bytes, Params: m.graph.ParamCount(), WeightBytes: m.graph.ParamBytes(), Encodings: m.encodings()}
	info.Labels, info.Preprocess = m.metadata().Labels, m.metadata().Preprocess
	next := nextBatch(g)
	for _, id := range g.Inputs() {
		info.Inputs = append(info.Inputs, describeValue(g, next, g.Node(id).Name, id))
	}
	for _, o := range g.Outputs() {
		info.Outputs = append(info.Outputs, describeValue(g, next, o.Name, o.ID))
	}
	if info.per = "at batch 1"; !g.Batched() {
		info.per = "a run" // of the batch that is fixed, if any
	}
	mem := s.Memory()
	info.ArenaBytes, info.LiveBytes, info.PackedBytes = mem.Arena, mem.LiveSet, mem.Packed
	info.PeakBytes = mem.Arena + mem.Packed + info.WeightBytes
	info.RunBytes = mem.Arena + mem.Packed + m.graph.HeldBytes()
	for _, l := range s.Layers() {
		info.MACs += l.MACs
		info.Layers = append(info.Layers, layerInfo{l.Name, l.Kind.String(), l.Path, l.Out.String(), l.Params, l.MACs, l.Scratch, l.Live})
	}
	return info, nil
}

// describeValue describes a value of g; next is g at another batch.
func describeValue(g, next *graph.Graph, name string, id graph.ID) valueInfo {
	spec := g.Node(id).Out
	v := valueInfo{Name: name, Type: spec.DType.String(), Quant: spec.Quant.String(), Shape: []any{}}
	batched := batchAxis(g, next, id)
	for i, d := range spec.Shape.Dims() {
		if i == batched {
			v.Shape = append(v.Shape, "N")
		} else {
			v.Shape = append(v.Shape, d)
		}
	}
	return v
}

// nextBatch is g at a batch larger by one, or g where its batch is fixed.
func nextBatch(g *graph.Graph) *graph.Graph {
	if g.Batched() {
		if h, err := g.WithBatch(g.Batch() + 1); err == nil {
			return h
		}
	}
	return g
}

// batchAxis is the dimension of a value that grows from g to h, its next batch, or -1.
func batchAxis(g, h *graph.Graph, id graph.ID) int {
	a, b := g.Node(id).Out.Shape, h.Node(id).Out.Shape
	for i := range a.Rank() {
		if a.Dim(i) != b.Dim(i) {
			return i
		}
	}
	return -1
}

func (i *modelInfo) print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range i.Layers {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", short(l.Name), l.Kind, l.Out, count(int64(l.Params), "weights"), count(l.MACs, "MAC"), l.Kernel)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, v := range i.Inputs {
		fmt.Fprintf(w, "input   %s %s %v %s\n", v.Name, v.Type, v.Shape, v.Quant)
	}
	for _, v := range i.Outputs {
		fmt.Fprintf(w, "output  %s %s %v %s\n", v.Name, v.Type, v.Shape, v.Quant)
	}
	if p := i.Preprocess; p != nil {
		fmt.Fprintf(w, "images  %s\n", preprocessText(p))
	}
	if n := len(i.Labels); n > 0 {
		some := i.Labels[:min(n, 10)]
		more := ""
		if n > len(some) {
			more = ", …"
		}
		fmt.Fprintf(w, "classes %d: %s%s\n", n, strings.Join(some, ", "), more)
	}
	fmt.Fprintf(w, "weights %d in %s (file %s)\n", i.Params, bytesText(int64(i.WeightBytes)), bytesText(i.FileBytes))
	fmt.Fprintf(w, "work    %s %s\n", count(i.MACs, "MAC"), i.per)
	fmt.Fprintf(w, "memory  arena %s (largest live set %s), packed weights %s, peak %s",
		bytesText(int64(i.ArenaBytes)), bytesText(int64(i.LiveBytes)), bytesText(int64(i.PackedBytes)), bytesText(int64(i.PeakBytes)))
	if i.RunBytes != i.PeakBytes {
		fmt.Fprintf(w, ", in teff run and bench %s", bytesText(int64(i.RunBytes)))
	}
	fmt.Fprintln(w)
	return nil
}

// preprocessText says in words what becomes of an image.
func preprocessText(p *format.Preprocess) string {
	how := cmp.Or(p.Mode, "bilinear")
	s := fmt.Sprintf("stretched to %d x %d, %s", p.Width, p.Height, how)
	if p.Resize > 0 {
		s = fmt.Sprintf("shorter side to %d, %s, the middle %d x %d", p.Resize, how, p.Width, p.Height)
	}
	s += fmt.Sprintf("; %s, %s", cmp.Or(p.Order, "rgb"), cmp.Or(p.Layout, "nhwc"))
	if p.Scale != 0 && p.Scale != 1 {
		s += fmt.Sprintf("; times %.4g", p.Scale)
	}
	if len(p.Mean) > 0 {
		s += fmt.Sprintf("; minus %v", p.Mean)
	}
	if len(p.Std) > 0 {
		s += fmt.Sprintf("; divided by %v", p.Std)
	}
	return s
}

// short keeps names that converters glued together from pushing a table off
// the screen.
func short(name string) string {
	const most = 48
	if r := []rune(name); len(r) > most {
		return string(r[:most/2-1]) + ".." + string(r[len(r)-most/2+1:])
	}
	return name
}

// count is a number with a unit, "-" for none.
func count(n int64, unit string) string {
	switch {
	case n == 0:
		return "-"
	case n >= 10_000_000_000:
		return fmt.Sprintf("%.1f G%s", float64(n)/1e9, unit)
	case n >= 10_000_000:
		return fmt.Sprintf("%.1f M%s", float64(n)/1e6, unit)
	case n >= 10_000:
		return fmt.Sprintf("%.1f k%s", float64(n)/1e3, unit)
	}
	return fmt.Sprintf("%d %s", n, unit)
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
