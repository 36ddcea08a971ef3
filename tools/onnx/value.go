package onnx

import (
	"errors"
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// errPoisoned marks values of nodes that were refused.
var errPoisoned = errors.New("computed by a node that is not supported")

// value is an ONNX value while importing: a node of the graph, a constant, or
// both.
type value struct {
	im   *importer
	name string
	id   graph.ID      // -1 while there is no node for it
	c    tensor.Tensor // the value where it is known
	// batchy says that c contains the nominal batch: it may be used to compute
	// shapes but must not become a constant of the graph.
	batchy bool
	// nhwc is the value this one is the NCHW form of; there is no node for the
	// transpose until something asks for it.
	nhwc *value
	last *value // the NHWC form of a value that is none of the above, once made
	// wide is the float32 form of a value of 16 bits, see half.go; there is no
	// node for the rounding until something asks for it.
	wide   *value
	half   tensor.DType
	hint   tensor.Tensor // see WithValue
	groups *groups       // see groupnorm.go
	double []float64     // of a double constant, whose shape is in c
	err    error         // why there is no value
}

func (v *value) isConst() bool { return !v.c.IsZero() }

// spec is the type and shape, in the layout of the file.
func (v *value) spec() tensor.Spec {
	switch {
	case v.isConst():
		return v.c.Spec
	case v.id < 0 && v.wide != nil:
		s := v.wide.spec()
		s.DType = v.half
		return s
	case v.nhwc != nil:
		s := v.nhwc.spec()
		s.Shape, _ = tensor.NewShape(permuted(s.Shape.Dims(), toNCHW(s.Shape.Rank()))...)
		return s
	}
	return v.im.b.Spec(v.id)
}

func (v *value) rank() int { return v.spec().Shape.Rank() }

// node is the value's node, made now where there is none.
func (v *value) node() graph.ID {
	if v.id >= 0 {
		return v.id
	}
	if v.isConst() {
		v.id = v.im.b.Const(v.name, v.c)
		return v.id
	}
	if v.wide != nil {
		v.id = v.im.b.Add(v.name+"_"+v.half.String(), &ops.Cast{To: v.half}, nil, v.wide.node())
		return v.id
	}
	src := v.nhwc
	v.id = v.im.b.Add(v.name+"_nchw", &ops.Transpose{Perm: toNCHW(src.rank())}, nil, src.node())
	return v.id
}

// toNHWC and toNCHW are the permutations between the layouts.
func toNHWC(rank int) []int {
	p := []int{0}
	for i := 2; i < rank; i++ {
		p = append(p, i)
	}
	return append(p, 1)
}

func toNCHW(rank int) []int {
	p := []int{0, rank - 1}
	for i := 1; i < rank-1; i++ {
		p = append(p, i)
	}
	return p
}

func permuted(d, perm []int) []int {
	r := make([]int, len(d))
	for i, p := range perm {
		r[i] = d[p]
	}
	return r
}

// toNHWC is v with its channels last.
func (im *importer) toNHWC(v *value) (*value, error) {
	if v.rank() < 3 {
		return v, nil
	}
	if v.nhwc != nil {
		return v.nhwc, nil
	}
	if v.last == nil {
		h, err := im.add(v.name+"_nhwc", &ops.Transpose{Perm: toNHWC(v.rank())}, v)
		if err != nil {
			return nil, err
		}
		v.last = h
	}
	return v.last, nil
}

// fromNHWC is the value whose NHWC form is v.
func (im *importer) fromNHWC(v *value) (*value, error) {
	if v.rank() < 3 {
		return v, nil
	}
	if v.isConst() {
		return im.add(v.name, &ops.Transpose{Perm: toNCHW(v.rank())}, v)
	}
	return &value{im: im, name: v.name, id: -1, nhwc: v}, nil
}

// batchyTensor reports whether t, computed from something that contains the
// nominal batch, still contains it.
func batchyTensor(t tensor.Tensor) bool {
	for _, d := range t.Shape.Dims() {
		if d > 0 && d%nominalBatch == 0 {
			return true
		}
	}
	switch t.DType {
	case tensor.I64:
		for _, v := range t.I64() {
			if batchyInt(v) {
				return true
			}
		}
	case tensor.I32:
		for _, v := range t.I32() {
			if batchyInt(int64(v)) {
				return true
			}
		}
	case tensor.F32:
		for _, v := range t.F32() {
			if i := int64(v); float32(i) == v && batchyInt(i) {
				return true
			}
		}
	}
	return false
}

// batchyInt reports whether i is the nominal batch or a multiple; extents that
// say "to the end" (the largest numbers) are not.
func batchyInt(i int64) bool {
	return i != 0 && i%nominalBatch == 0 && i < 1<<31-1 && i > -1<<31
}

func (im *importer) baked(v *value) bool { return im.open && v.isConst() && v.batchy }

// foldLimit is the largest constant, in bytes, that is made of nothing that the
// file holds.
const foldLimit = 16 << 20

// makes takes the bytes of such a constant from the budget; false: it is too
// large, or there were too many.
func (im *importer) makes(bytes int) bool {
	if bytes > foldLimit || bytes > im.budget {
		return false
	}
	im.budget -= bytes
	return true
}

// copies counts a constant of the file that is brought into another form. A
// file may use the same one many times; real ones use each once or twice. Where
// it is too much the builder has failed, and there should be no copy.
func (im *importer) copies(bytes int) bool {
	held := im.size
	for _, f := range im.src.files {
		held += len(f)
	}
	if bytes > 32<<20-im.copied && (bytes+im.copied-32<<20)/8 > held {
		im.b.Fail(formatf("the same constants are copied over and over"))
		return false
	}
	im.copied += bytes
	return true
}

// add computes op on operands. Where all are constants the result is one too;
// else the operator becomes a node, with the constants among its last operands
// as parameters.
func (im *importer) add(name string, op ops.Op, operands ...*value) (*value, error) {
	known, batchy := true, false
	for _, v := range operands {
		if v.err != nil {
			return nil, v.err
		}
		known = known && v.isConst()
		batchy = batchy || v.batchy
	}
	if known && len(operands) > 0 {
		if v, err := im.fold(name, op, operands, batchy); v != nil || err != nil {
			return v, err
		}
	}
	operands, err := im.spread(op, operands)
	if err != nil {
		return nil, err
	}
	first := len(operands)
	for first > 0 && operands[first-1].isConst() {
		first--
	}
	if first == 0 { // a node needs something that comes in
		first = 1
	}
	in := make([]graph.ID, first)
	for i := range in {
		in[i] = operands[i].node()
	}
	var params []tensor.Tensor
	for _, v := range operands[first:] {
		params = append(params, v.c)
	}
	return im.addNode(name, op, params, in)
}

// addNode adds a node after asking the operator, so that its objection does not
// stick in the builder.
func (im *importer) addNode(name string, op ops.Op, params []tensor.Tensor, in []graph.ID) (*value, error) {
	if err := im.b.Err(); err != nil {
		return nil, err
	}
	specs := make([]tensor.Spec, len(in))
	for i, id := range in {
		specs[i] = im.b.Spec(id)
	}
	if _, err := op.Infer(specs, ops.Specs(params)); err != nil {
		return nil, err
	}
	id := im.b.Add(name, op, params, in...)
	return &value{im: im, name: name, id: id}, im.b.Err()
}

// foldWork is the largest number of steps that folding one node may take.
const foldWork = 1 << 26

// work is about how many steps op takes, as the product of the result and the
// largest operand where each element of one may meet each of the other.
func work(op ops.Op, out tensor.Spec, in []tensor.Tensor) int64 {
	n := int64(1)
	for _, t := range in {
		n = max(n, int64(t.Shape.Elems()))
	}
	switch op.Kind() {
	case ops.KindUnary, ops.KindBinary, ops.KindCompare, ops.KindLogic, ops.KindWhere, ops.KindCast, ops.KindConcat,
		ops.KindSlice, ops.KindReshape, ops.KindTranspose, ops.KindGather, ops.KindExpand, ops.KindTile, ops.KindPad,
		ops.KindReduce, ops.KindQuantize, ops.KindDequantize:
		return n + int64(out.Shape.Elems())
	}
	return n * max(1, int64(out.Shape.Elems())) // each is at most foldLimit
}

// fold runs op now. A nil value without an error says that the result is
// better left to be computed later.
func (im *importer) fold(name string, op ops.Op, operands []*value, batchy bool) (*value, error) {
	in := make([]tensor.Tensor, len(operands))
	for i, v := range operands {
		in[i] = v.c
	}
	out, err := op.Infer(ops.Specs(in), nil)
	if err != nil {
		return nil, err
	}
	if work(op, out, in) > foldWork || !im.makes(out.Bytes()) {
		return nil, nil
	}
	t, err := ops.Run(op, in, nil)
	if err != nil {
		return nil, err
	}
	return &value{im: im, name: name, id: -1, c: t, batchy: batchy && batchyTensor(t)}, nil
}

// known makes a constant value.
func (im *importer) known(name string, t tensor.Tensor) *value {
	return &value{im: im, name: name, id: -1, c: t}
}

// bakedError says that a constant holds the batch.
type bakedError struct{ name, why string }

func (e *bakedError) Error() string {
	if e.why != "" {
		return e.why
	}
	return fmt.Sprintf("value %q depends on the batch", e.name)
}
