package onnx

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// A constant that an exporter grows to the batch, such as a class token, a
// plane of coordinates or a state of zeros, is one row said again and again.
// Where the batch is open the graph holds the row, and repeats it by a choice
// between the row and itself that runs along the batch: exact whatever the
// numbers are, which a sum with zeros taken from the input would not be.

// row is the one row of a constant that repeats it over the open batch, with
// an extent of 1 on that axis. Where the axis is several times the batch, it is
// two in the row: 1 and how often. A constant that holds the batch in any other
// way has none.
func (im *importer) row(v *value) (row tensor.Tensor, axis int, ok bool) {
	d := v.c.Shape.Dims()
	axis = -1
	for i, n := range d {
		if !batchyInt(int64(n)) {
			continue
		}
		if axis >= 0 {
			return row, 0, false
		}
		axis = i
	}
	if axis < 0 {
		return row, 0, false
	}
	inner := v.c.DType.Size()
	for _, n := range d[axis+1:] {
		inner *= n
	}
	times := d[axis] / nominalBatch
	inner *= times
	if d[axis] = 1; times > 1 {
		if d = slices.Insert(d, axis+1, times); len(d) > tensor.MaxRank {
			return row, 0, false
		}
	}
	row = tensor.New(tensor.Spec{DType: v.c.DType, Shape: tensor.Of(d...), Quant: v.c.Quant})
	data := v.c.Data
	for to := row.Data; len(to) > 0; to, data = to[inner:], data[nominalBatch*inner:] {
		copy(to, data[:inner])
		for i := 1; i < nominalBatch; i++ {
			if !bytes.Equal(data[:inner], data[i*inner:][:inner]) {
				return row, 0, false
			}
		}
	}
	return row, axis, !batchyTensor(row) // a number may come from the batch, too
}

// repeated is the node that repeats row over the batch; rank is that of the
// result, in which the batch is one axis.
func (im *importer) repeated(name string, row tensor.Tensor, axis, rank int) (*value, error) {
	along := make([]int, row.Shape.Rank())
	for i := range along {
		along[i] = 1
	}
	along[axis] = -1
	mask, err := im.batchMask()
	if err != nil {
		return nil, err
	}
	if len(along) > 1 {
		m, err := im.addNode(name+"_batch", &ops.Reshape{Dims: along}, nil, []graph.ID{mask})
		if err != nil {
			return nil, err
		}
		mask = m.id
	}
	r := im.b.Const(name+"_row", row)
	v, err := im.addNode(name, &ops.Where{}, nil, []graph.ID{mask, r, r})
	if err != nil || rank == row.Shape.Rank() {
		return v, err
	}
	d := slices.Delete(row.Shape.Dims(), axis, axis+1)
	d[axis] = -1
	return im.addNode(name+"_rows", &ops.Reshape{Dims: d}, nil, []graph.ID{v.id})
}

// batchMask is a node of bools, one for each row of the batch, made once. What
// they are does not matter.
func (im *importer) batchMask() (graph.ID, error) {
	if im.mask != 0 {
		return im.mask, nil
	}
	id := im.batched
	add := func(name string, op ops.Op, in ...graph.ID) error {
		v, err := im.addNode(name, op, nil, in)
		if err == nil {
			id = v.id
		}
		return err
	}
	s := im.b.Spec(id)
	if rank := s.Shape.Rank(); rank > 1 {
		cut := &ops.Slice{}
		for i := 1; i < rank; i++ {
			cut.Axes, cut.Starts, cut.Ends = append(cut.Axes, i), append(cut.Starts, 0), append(cut.Ends, 1)
		}
		if err := add("batch_first", cut, id); err != nil {
			return 0, err
		}
		if err := add("batch_flat", &ops.Reshape{Dims: []int{-1}}, id); err != nil {
			return 0, err
		}
	}
	if s.DType == tensor.F16 || s.DType == tensor.BF16 { // which are not compared
		if err := add("batch_wide", &ops.Cast{To: tensor.F32}, id); err != nil {
			return 0, err
		}
	}
	if err := add("batch_mask", &ops.Compare{Fn: ops.CompareEqual}, id, id); err != nil {
		return 0, err
	}
	im.mask = id
	return id, nil
}

// spread replaces operands that repeat a row over the batch. Operators that
// broadcast take the row itself beside an operand that has the batch on the
// same axis.
func (im *importer) spread(op ops.Op, operands []*value) ([]*value, error) {
	if !slices.ContainsFunc(operands, im.baked) {
		return operands, nil
	}
	operands = slices.Clone(operands)
	for i, v := range operands {
		if !im.baked(v) {
			continue
		}
		row, axis, ok := im.row(v)
		if !ok {
			return nil, &bakedError{name: v.name}
		}
		if row.Shape.Rank() == v.rank() && im.broadcasts(op, operands, v, axis) {
			operands[i] = im.known(v.name, row)
			continue
		}
		r, err := im.repeated(v.name, row, axis, v.rank())
		if err != nil {
			return nil, err
		}
		operands[i] = r
	}
	return operands, nil
}

// broadcasts reports an operator that gives the same for a row of v as for v.
func (im *importer) broadcasts(op ops.Op, operands []*value, v *value, axis int) bool {
	switch op.Kind() {
	case ops.KindBinary, ops.KindCompare, ops.KindLogic, ops.KindWhere:
	default:
		return false
	}
	fromEnd := v.rank() - axis
	for _, o := range operands {
		if o.isConst() {
			continue
		}
		if s := o.spec().Shape; s.Rank() >= fromEnd && s.Dim(s.Rank()-fromEnd) == nominalBatch {
			return true
		}
	}
	return false
}

// grownLimit is the largest constant, in bytes, that is held at the nominal
// batch.
const grownLimit = 1 << 20

// grown is a constant made larger, maybe by the nominal batch, which is noted.
// What would take too much room is one row, repeated when the graph runs. by
// says how much larger, counted from the last axis, and make the operator.
func (c *call) grown(x *value, by []int, make func(by []int) ops.Op) error {
	if !c.wants(0) {
		return nil
	}
	op := make(by)
	out, err := op.Infer([]tensor.Spec{x.c.Spec}, nil)
	if err != nil {
		return err
	}
	if out.Bytes() <= grownLimit {
		t, err := c.fold(c.outName(0), op, []*value{x}, true)
		if err == nil && t != nil {
			c.set(0, t)
		}
		if err != nil || t != nil {
			return err
		}
	}
	one, at := slices.Clone(by), -1
	for i, n := range by {
		if !batchyInt(int64(n)) {
			continue
		}
		if j := x.rank() - len(by) + i; n != nominalBatch || at >= 0 || j >= 0 && x.c.Shape.Dim(j) != 1 {
			return &bakedError{name: c.n.outputs[0]}
		}
		one[i], at = 1, out.Shape.Rank()-len(by)+i
	}
	if at < 0 || x.batchy {
		return c.out(op, x)
	}
	row, err := c.fold(c.outName(0), make(one), []*value{x}, false)
	if err == nil && row == nil {
		err = fmt.Errorf("a constant of %v is too large", out)
	}
	if err != nil {
		return err
	}
	v, err := c.repeated(c.outName(0), row.c, at, out.Shape.Rank())
	if err != nil {
		return err
	}
	c.set(0, v)
	return nil
}
