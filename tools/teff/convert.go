package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
)

// encodings counts stored bytes by encoding; nil for files of other formats.
func (m *model) encodings() map[string]int {
	if m.file == nil {
		return nil
	}
	n := map[string]int{}
	for _, w := range m.file.Weights {
		n[w.Encoding.String()] += w.Bytes
	}
	return n
}

type convertResult struct {
	NodesIn     int    `json:"nodes_in"`
	NodesOut    int    `json:"nodes_out"`
	BytesIn     int64  `json:"bytes_in"`
	BytesOut    int64  `json:"bytes_out"`
	WeightBytes int    `json:"weight_bytes_f32"`
	Weights     string `json:"weights"`
	Removed     int    `json:"removed_parameters,omitempty"`
	Warning     string `json:"warning,omitempty"`
	*searched
}

const weightHelp = "how weights are stored: f32, f16, bf16, exact, f16+coded, int2 to int8, palette2 to palette8 (bits), sparse1 to sparse99 (the % kept), or auto"

func runConvert(ctx context.Context, c *cli, args []string) error {
	f := newFlags(c, "convert", "IN -o OUT")
	ld := loadFlags(f)
	out := f.String("o", "", "the .teff file to write")
	weights := f.String("weights", "f32", weightHelp)
	f.IntVar(&ld.batch, "batch", 0, "fix the batch of a model that leaves it open")
	labels := f.String("labels", "", "file of class names, one a line, to store in the model")
	narrow := f.Bool("narrow", false, "remove filters of zeros and channels that nothing reads, with all that depends on them alone")
	var search searchFlags
	search.add(f)
	pre := preprocessFlags(f)
	pos, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	if err := modelOut(*out); err != nil {
		return err
	}
	if ld.batch < 0 {
		return usagef("--batch %d", ld.batch)
	}
	encode := autoEncode
	if *weights != "auto" {
		choice, err := parseWeights(*weights)
		if err != nil {
			return err
		}
		encode = encodeWith(choice)
	}
	searching, err := search.wanted(f, *weights)
	if err != nil {
		return err
	}
	if err := canWrite(*out); err != nil {
		return err
	}
	m, err := ld.load(pos[0])
	if err != nil {
		return err
	}
	defer func() {
		if ctx.Err() == nil { // else weights may still be read, see encoded
			m.close()
		}
	}()
	before := m.graph.ParamCount()
	if *narrow {
		if m.graph, err = passes.DeadChannels(m.graph); err != nil {
			return fmt.Errorf("%s: %w", pos[0], err)
		}
	}
	removed := before - m.graph.ParamCount()
	opts := &format.WriteOptions{Encode: encode}
	if m.file != nil && ld.batch == 0 && removed == 0 && isExact(*weights) { // what other weights give was not recorded
		opts.Golden = m.file.Golden
	}
	if opts.Metadata, err = newMetadata(m, *labels, pre); err != nil {
		return err
	}
	var found *searched
	var b []byte
	if searching {
		b, found, err = search.smallest(ctx, c, m, pre, opts, f.json)
	} else {
		b, err = encoded(ctx, m.graph, opts)
	}
	if err == nil {
		err = writeAtomic(*out, b)
	}
	if err != nil {
		return err
	}
	r := convertResult{
		NodesIn: m.nodesIn, NodesOut: m.graph.Len(), BytesIn: m.bytes, BytesOut: fileSize(*out),
		WeightBytes: floatBytes(m.graph), Weights: *weights, Removed: removed, Warning: mixed(m.graph), searched: found,
	}
	if f.json {
		return printJSON(c.out, r)
	}
	return r.print(c, pos[0], *out)
}

// newMetadata is what the new file says of labels and preprocessing: what the old one does, and flags over it; nil: nothing.
func newMetadata(m *model, labels string, pre *preFlags) (*format.Metadata, error) {
	meta := *m.metadata()
	var err error
	if labels != "" {
		if meta.Labels, err = readLabels(labels); err != nil {
			return nil, err
		}
	}
	if pre.given(nil) != nil { // a flag is there: what it says is checked and stored
		if len(m.graph.Inputs()) == 0 {
			return nil, fmt.Errorf("%s: has no input", m.path)
		}
		p, err := pre.fit(m, m.graph.Node(m.graph.Inputs()[0]).Out)
		if err != nil {
			return nil, err
		}
		meta.Preprocess = &p
	}
	if meta.Labels == nil && meta.Preprocess == nil && !m.hasMetadata() {
		return nil, nil
	}
	return &meta, nil
}

func (r *convertResult) print(c *cli, in, out string) error {
	if r.Warning != "" {
		fmt.Fprintf(c.err, "warning: %s: %s\n", in, r.Warning)
	}
	if found := r.searched; found != nil {
		for _, s := range found.Skipped {
			fmt.Fprintln(c.out, "skipped", s)
		}
		fmt.Fprintf(c.out, "top-1 %.2f %% -> %.2f %% on %d images\n", 100*found.Top1Was, 100*found.Top1, found.Images)
	}
	if r.Removed != 0 {
		fmt.Fprintf(c.out, "%d parameters that changed nothing were removed\n", r.Removed)
	}
	_, err := fmt.Fprintf(c.out, "%s: %d nodes, %s -> %s: %d nodes, %s (weights %s as f32)\n",
		in, r.NodesIn, bytesText(r.BytesIn), out, r.NodesOut, bytesText(r.BytesOut), bytesText(int64(r.WeightBytes)))
	return err
}

// encoded is the file of g. Large weights in few bits take a minute: when ctx ends it
// returns, and what it began goes on reading g's weights until the process ends.
func encoded(ctx context.Context, g *graph.Graph, opts *format.WriteOptions) ([]byte, error) {
	var b []byte
	done := make(chan error, 1)
	go func() {
		var err error
		b, err = format.Marshal(g, opts)
		done <- err
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case err := <-done:
		return b, err
	}
}

// floatBytes is the size of all parameters if each element were a float32.
func floatBytes(g *graph.Graph) int { return 4 * g.ParamCount() }

// isExact reports a --weights that changes no number.
func isExact(weights string) bool {
	c, err := parseWeights(weights)
	return err == nil && (c.Encoding == format.Raw || c.Encoding == format.Coded)
}

// parseWeights reads --weights.
func parseWeights(s string) (format.Choice, error) {
	switch s {
	case "f32", "raw":
		return format.Choice{}, nil
	case "f16":
		return format.Choice{Encoding: format.F16}, nil
	case "bf16":
		return format.Choice{Encoding: format.BF16}, nil
	case "exact", "zstd": // the name that it had when zstd was the coder
		return format.Choice{Encoding: format.Coded}, nil
	case "f16+coded", "f16+zstd":
		return format.Choice{Encoding: format.F16Coded}, nil
	}
	var bits int
	if n, err := fmt.Sscanf(s, "int%d", &bits); n == 1 && err == nil && bits >= 2 && bits <= 8 && s == fmt.Sprintf("int%d", bits) {
		return format.Choice{Encoding: format.IntCoded, Bits: bits}, nil
	}
	if n, err := fmt.Sscanf(s, "palette%d", &bits); n == 1 && err == nil && bits >= 2 && bits <= 8 && s == fmt.Sprintf("palette%d", bits) {
		return format.Choice{Encoding: format.Palette, Bits: bits}, nil
	}
	var keep int
	if n, err := fmt.Sscanf(s, "sparse%d", &keep); n == 1 && err == nil && keep >= 1 && keep <= 99 && s == fmt.Sprintf("sparse%d", keep) {
		return format.Choice{Encoding: format.Sparse, Keep: float64(keep) / 100, Inner: format.F16Coded}, nil
	}
	return format.Choice{}, usagef("--weights %q: %s", s, weightHelp)
}

// encodeWith stores the weights of products as c says, the rest exactly: biases
// and norms are small and matter. An integer model's weights stay integers.
func encodeWith(c format.Choice) func(*graph.Graph, graph.ID, int) format.Choice {
	return func(g *graph.Graph, id graph.ID, param int) format.Choice {
		t := g.Node(id).Params[param]
		if c.Encoding == format.Raw {
			return c
		}
		if t.DType == tensor.F32 && isWeight(g, id, param) && (c.Encoding == format.BF16 || inHalf(t)) {
			return c
		}
		if len(t.Data) >= 1024 && c.Encoding >= format.Coded {
			return format.Choice{Encoding: format.Coded} // exact, and the file is compressed anyway
		}
		return format.Choice{}
	}
}

// inHalf reports that half precision, of which scales are as well, has room for
// the largest of t: other weights would become infinite.
func inHalf(t tensor.Tensor) bool {
	const most = 65504
	return !slices.ContainsFunc(t.F32(), func(v float32) bool { return v > most || v < -most })
}

// autoEncode stores a weight in 8 bits where the norm of what rounding changes
// is at most a hundredth of the weight's, else in 16.
func autoEncode(g *graph.Graph, id graph.ID, param int) format.Choice {
	c := format.Choice{Encoding: format.IntCoded, Bits: 8}
	if t := g.Node(id).Params[param]; t.DType == tensor.F32 && isWeight(g, id, param) && int8Error(t) > 0.01 {
		c = format.Choice{Encoding: format.F16Coded}
	}
	return encodeWith(c)(g, id, param)
}

// int8Error is the relative error of t in 8 bits with a scale for each index of
// the first dimension.
func int8Error(t tensor.Tensor) float64 {
	v, rows := t.F32(), t.Shape.Dim(0)
	var diff, sum float64
	for n := len(v) / rows; len(v) > 0; v = v[n:] {
		var top float64
		for _, x := range v[:n] {
			top = max(top, math.Abs(float64(x)))
		}
		if scale := top / 127; scale > 0 {
			for _, x := range v[:n] {
				d := float64(x) - scale*math.RoundToEven(float64(x)/scale)
				diff, sum = diff+d*d, sum+float64(x)*float64(x)
			}
		}
	}
	if sum == 0 {
		return 0
	}
	return math.Sqrt(diff / sum)
}

// isWeight reports the large parameters of products.
func isWeight(g *graph.Graph, id graph.ID, param int) bool {
	n := g.Node(id)
	switch n.Op.Kind() {
	case ops.KindConv, ops.KindConvTranspose, ops.KindDense, ops.KindMatMul:
		return param == 0 && n.Params[0].Shape.Elems() >= 64
	}
	return false
}

func readLabels(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var l []string
	for line := range strings.Lines(string(b)) {
		l = append(l, strings.TrimSpace(line))
	}
	for len(l) > 0 && l[len(l)-1] == "" {
		l = l[:len(l)-1]
	}
	if len(l) == 0 {
		return nil, fmt.Errorf("%s: no labels", path)
	}
	return l, nil
}
