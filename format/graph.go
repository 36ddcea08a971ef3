package format

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant"
)

// The graph section:
//
//	graph  = name, batch, count node*, count output*
//	node   = kind, name, count (id - input)*, fields, count tensor*
//	tensor = spec, encoding, offset in the weights (in units of 64 before encoding 6), bytes stored
//	spec   = dtype, rank, extents, quant
//	quant  = 0 | count, axis, scales f32*, flag, zero points*
//	output = name, id
//
// Numbers are varints (LEB128; signed ones zigzag), strings a length and bytes.

func (e *enc) spec(s tensor.Spec) {
	e.b = append(e.b, byte(s.DType), byte(s.Shape.Rank()))
	for _, d := range s.Shape.Dims() {
		e.uint(uint64(d))
	}
	e.uint(uint64(len(s.Quant.Scale)))
	e.spent += 8 * len(s.Quant.Scale)
	if len(s.Quant.Scale) == 0 {
		return
	}
	e.uint(uint64(s.Quant.Axis))
	for _, x := range s.Quant.Scale {
		e.float(x)
	}
	zeros := byte(0)
	for _, z := range s.Quant.Zero {
		if z != 0 {
			zeros = 1
		}
	}
	e.b = append(e.b, zeros)
	if zeros == 1 {
		for _, z := range s.Quant.Zero {
			e.int(int(z))
		}
	}
}

func (d *dec) spec() tensor.Spec {
	var s tensor.Spec
	head := d.bytes(2)
	if head == nil {
		return s
	}
	s.DType = tensor.DType(head[0])
	if !s.DType.Valid() || head[1] > tensor.MaxRank {
		d.fail(fmt.Sprintf("element type %d of rank %d", head[0], head[1]))
		return s
	}
	dims := make([]int, head[1])
	for i := range dims {
		dims[i] = int(min(d.uint(), 1<<31)) // NewShape refuses 1<<31, which a 32-bit int wraps to a negative number
	}
	var err error
	if s.Shape, err = tensor.NewShape(dims...); err != nil {
		d.fail(err.Error())
		return s
	}
	n := d.count(4)
	if d.spend(8 * n); n == 0 || d.err != nil {
		return s
	}
	s.Quant.Axis = int(min(d.uint(), 1<<20))
	s.Quant.Scale = make([]float32, n)
	for i := range s.Quant.Scale {
		s.Quant.Scale[i] = d.float()
	}
	flag := d.bytes(1)
	if flag == nil {
		return s
	}
	if s.Quant.Zero = make([]int32, n); flag[0] == 1 {
		for i := range s.Quant.Zero {
			z := d.int()
			if s.Quant.Zero[i] = int32(z); int(s.Quant.Zero[i]) != z {
				d.fail(fmt.Sprintf("zero point %d", z))
			}
		}
	} else if n > 1 {
		s.Quant.Zero = nil
	}
	if err := s.Quant.Check(s.DType, s.Shape); err != nil {
		d.fail(err.Error())
	}
	return s
}

// graph writes g; place stores a tensor and says where.
func (e *enc) graph(g *graph.Graph, place func(id graph.ID, param int, t tensor.Tensor) (stored, error)) error {
	e.string(g.Name())
	e.uint(uint64(g.Batch()))
	e.uint(uint64(g.Len()))
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		e.spent += nodeBytes + 64*len(n.In) + paramBytes*len(n.Params)
		e.uint(uint64(n.Op.Kind()))
		e.string(n.Name)
		e.uint(uint64(len(n.In)))
		for _, x := range n.In {
			e.uint(uint64(i) - uint64(x))
		}
		e.fields(n.Op)
		e.uint(uint64(len(n.Params)))
		for j, p := range n.Params {
			s, err := place(graph.ID(i), j, p)
			if err != nil {
				return fmt.Errorf("format: node %q, parameter %d: %w", n.Name, j, err)
			}
			e.spec(p.Spec)
			e.uint(uint64(s.encoding))
			if s.encoding < firstUnaligned {
				s.offset /= weightAlign
			}
			e.uint(uint64(s.offset))
			e.uint(uint64(s.bytes))
		}
	}
	e.uint(uint64(len(g.Outputs())))
	e.spent += 64 * len(g.Outputs())
	for _, o := range g.Outputs() {
		e.string(o.Name)
		e.uint(uint64(o.ID))
	}
	return nil
}

// stored is where a tensor lies in the weights.
type stored struct {
	encoding      Encoding
	offset, bytes int
	kept          bool // as the file has it, in a tensor.Source
}

// graph builds the graph; weights is the weights section.
func (d *dec) graph(weights []byte) (*graph.Graph, []WeightInfo, error) {
	d.limit = maxGraphBytes + len(d.b)
	decoded := maxDecoded(len(weights))
	name, batch := d.string(), int(min(d.uint(), maxBatch+1))
	if (batch < 1 || batch > maxBatch) && d.err == nil {
		d.fail(fmt.Sprintf("batch size outside 1 to %d", maxBatch))
	}
	b := graph.NewBuilderBatch(name, batch)
	cache := map[stored]tensor.Tensor{}
	n := d.count(4)
	for i := range n {
		d.spend(nodeBytes)
		kind := ops.Kind(min(d.uint(), 1<<16-1))
		desc, ok := ops.Lookup(kind)
		if !ok && d.err == nil {
			return nil, nil, &UnsupportedError{fmt.Sprintf("operator %d of node %d", kind, i)}
		}
		nodeName := d.string()
		inputs := d.count(1)
		if d.spend(64 * inputs); d.err != nil {
			return nil, nil, d.err
		}
		in := make([]graph.ID, inputs)
		for j := range in {
			back := d.uint()
			if back == 0 || back > uint64(i) {
				d.fail("input that is not there yet")
				break
			}
			in[j] = graph.ID(uint64(i) - back)
		}
		if d.err != nil {
			return nil, nil, d.err
		}
		op := desc.New()
		d.fields(op)
		count := d.count(5)
		if d.spend(paramBytes * count); d.err != nil {
			return nil, nil, d.err
		}
		params := make([]tensor.Tensor, count)
		for j := range params {
			if err := d.tensor(&params[j], fmt.Sprintf("%s.%d", nodeName, j), weights, cache, &decoded, j == 0 && kind == ops.KindDense); err != nil {
				return nil, nil, err
			}
		}
		if d.err != nil {
			return nil, nil, d.err
		}
		b.Add(nodeName, op, params, in...)
		if err := b.Err(); err != nil {
			return nil, nil, &FormatError{Section: d.section, Offset: d.at, Msg: "graph is not valid", Err: err}
		}
	}
	for range d.count(2) {
		d.spend(64)
		out, id := d.string(), d.uint()
		if id >= uint64(n) {
			d.fail("output that is not there")
			break
		}
		b.Output(out, graph.ID(id))
	}
	if d.err == nil && d.left() > 0 {
		d.fail("bytes after the graph")
	}
	if d.err == nil {
		d.err = runJobs(d.jobs)
	}
	if d.err != nil {
		return nil, nil, d.err
	}
	g, err := b.Build()
	if err != nil {
		return nil, nil, &FormatError{Section: d.section, Msg: "graph is not valid", Err: err}
	}
	return g, d.infos, nil
}

// maxDecoded is how many bytes a weights section of n bytes may decode to.
func maxDecoded(n int) int {
	return maxDecodeBytes + min(n, math.MaxInt/maxDecodeRatio-maxDecodeBytes)*maxDecodeRatio
}

// tensor reads t's description and leaves jobs that decode it. Tensors that lie
// in the same place are decoded once.
func (d *dec) tensor(t *tensor.Tensor, name string, weights []byte, cache map[stored]tensor.Tensor, decoded *int, weight bool) error {
	spec := d.spec()
	enc, at, size := d.uint(), d.uint(), d.uint()
	if d.err != nil {
		return d.err
	}
	unit := uint64(weightAlign)
	if enc >= uint64(firstUnaligned) {
		unit = 1
	}
	if enc > 255 || at > uint64(len(weights))/unit || size > uint64(len(weights))-at*unit {
		d.fail("tensor lies outside the weights")
		return d.err
	}
	s := stored{Encoding(enc), int(at * unit), int(size), weight && d.keep != nil && keeps(Encoding(enc), spec)}
	d.infos = append(d.infos, WeightInfo{Name: name, Spec: spec, Encoding: s.encoding, Bytes: s.bytes})
	if same, ok := cache[s]; ok && same.Spec.Equal(spec) {
		*t = same
		return nil
	}
	if s.encoding != Raw || !tensor.Aligned(weights[s.offset:], spec.DType.Size()) {
		if *decoded < spec.Bytes() {
			d.fail(fmt.Sprintf("weights of %d bytes claim to hold far more", len(weights)))
			return d.err
		}
		*decoded -= spec.Bytes()
	}
	fail := func(err error) error {
		return &FormatError{Section: "weights", Offset: s.offset, Msg: fmt.Sprintf("tensor %q, %v", name, spec), Err: err}
	}
	var parts []quant.Part
	var err error
	if data := weights[s.offset : s.offset+s.bytes]; s.kept {
		*t, parts, err = d.keep(s.encoding, spec, data)
	} else {
		*t, parts, err = decode(s.encoding, spec, data)
	}
	if err != nil {
		return fail(err)
	}
	for _, p := range parts {
		d.jobs = append(d.jobs, job{p, fail, spec.Bytes() / len(parts)})
	}
	cache[s] = *t
	return nil
}
