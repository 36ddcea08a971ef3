package onnx

import (
	"fmt"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// raw is operand i as it is stored: integers stay integers. For operators that
// only move elements.
func (e *exporter) raw(n *graph.Node, i int) string {
	if i < len(n.In) {
		return e.plain(n.In[i])
	}
	return e.w.constant(fmt.Sprintf("%s_p%d", n.Name, i), n.Params[i-len(n.In)])
}

// moved names a value that holds its operand's elements as they were stored.
func (e *exporter) moved(id graph.ID, name string) { e.vals[id].plain = name }

func exportConstant(e *exporter, id graph.ID, n *graph.Node) error {
	e.moved(id, e.w.constant(n.Name, n.Params[0]))
	return nil
}

func exportIdentity(e *exporter, id graph.ID, n *graph.Node) error {
	if len(n.In) == 1 {
		e.vals[id] = e.vals[n.In[0]]
		return nil
	}
	e.moved(id, e.raw(n, 0))
	return nil
}

// exportTranspose between the two layouts writes nothing: the value has both
// names.
func exportTranspose(e *exporter, id graph.ID, n *graph.Node) error {
	perm := n.Op.(*ops.Transpose).Perm
	r := n.Out.Shape.Rank()
	if len(n.In) == 1 && r >= 3 {
		switch {
		case slices.Equal(perm, toNHWC(r)):
			e.vals[id].nchw = e.plain(n.In[0])
			return nil
		case slices.Equal(perm, toNCHW(r)):
			e.vals[id].plain = e.nchw(n.In[0])
			return nil
		}
	}
	var a attrs
	a.ints("perm", perm)
	e.moved(id, e.emit("Transpose", n.Name, &a, e.raw(n, 0)))
	return nil
}

func exportConcat(e *exporter, id graph.ID, n *graph.Node) error {
	rank := n.Out.Shape.Rank()
	axis, err := axisIn(n.Op.(*ops.Concat).Axis, rank)
	if err != nil {
		return err
	}
	in, nchw := e.aligned(n)
	if nchw {
		axis = layoutAxis(rank, axis)
	}
	var a attrs
	a.int("axis", axis)
	return e.finishAligned(id, e.emit("Concat", n.Name, &a, in...), nchw, ops.Act{})
}

func exportSlice(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Slice)
	rank := n.Out.Shape.Rank()
	in, nchw := e.aligned(n)
	axes := slices.Clone(op.Axes)
	if len(axes) == 0 {
		for i := range op.Starts {
			axes = append(axes, i)
		}
	}
	for i, x := range axes {
		var err error
		if axes[i], err = axisIn(x, rank); err != nil {
			return err
		}
		if nchw {
			axes[i] = layoutAxis(rank, axes[i])
		}
	}
	args := []string{in[0], e.w.ints(n.Name+"_starts", op.Starts), e.w.ints(n.Name+"_ends", op.Ends), e.w.ints(n.Name+"_axes", axes)}
	if len(op.Steps) > 0 {
		args = append(args, e.w.ints(n.Name+"_steps", op.Steps))
	}
	return e.finishAligned(id, e.emit("Slice", n.Name, nil, args...), nchw, ops.Act{})
}

var padNames = map[ops.PadMode]string{ops.PadConstant: "constant", ops.PadReflect: "reflect", ops.PadEdge: "edge"}

func exportPad(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Pad)
	mode, ok := padNames[op.Mode]
	if !ok {
		return fmt.Errorf("padding mode %d", op.Mode)
	}
	rank := n.Out.Shape.Rank()
	in, nchw := e.aligned(n)
	lo, hi := op.Lo, op.Hi
	if nchw {
		lo, hi = permuted(lo, toNCHW(rank)), permuted(hi, toNCHW(rank))
	}
	var a attrs
	a.str("mode", mode)
	args := []string{in[0], e.w.ints(n.Name+"_pads", slices.Concat(lo, hi))}
	if op.Mode == ops.PadConstant && op.Value != 0 {
		v := e.w.scalar(n.Name+"_value", op.Value)
		if d := n.Out.DType; d != tensor.F32 && !quantised(n.Out) {
			v = e.castTo(n.Name+"_typed", v, d)
		}
		args = append(args, v)
	}
	return e.finishAligned(id, e.emit("Pad", n.Name, &a, args...), nchw, ops.Act{})
}

// exportReshape reads an image whose form does not matter in the one it has.
func exportReshape(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Reshape)
	x := ""
	if len(n.In) == 1 && e.vals[n.In[0]].plain == "" {
		s := e.spec(n.In[0]).Shape
		d := s.Dims()
		copies := slices.ContainsFunc(op.Dims[min(1, len(op.Dims)):], func(d int) bool { return d == 0 })
		if nchw := tensor.Of(permuted(d, toNCHW(len(d)))...); trivialOrder(nchw) && !copies {
			x = e.nchw(n.In[0])
		}
	}
	if x == "" {
		x = e.raw(n, 0)
	}
	var a attrs
	a.bool("allowzero", op.AllowZero && slices.Contains(op.Dims, 0))
	e.moved(id, e.emit("Reshape", n.Name, &a, x, e.w.ints(n.Name+"_shape", op.Dims)))
	return nil
}

func exportGather(e *exporter, id graph.ID, n *graph.Node) error {
	var a attrs
	a.int("axis", n.Op.(*ops.Gather).Axis)
	e.moved(id, e.emit("Gather", n.Name, &a, e.raw(n, 0), e.raw(n, 1)))
	return nil
}

func exportGatherElements(e *exporter, id graph.ID, n *graph.Node) error {
	var a attrs
	a.int("axis", n.Op.(*ops.GatherElements).Axis)
	e.moved(id, e.emit("GatherElements", n.Name, &a, e.raw(n, 0), e.raw(n, 1)))
	return nil
}

var scatterNames = [...]string{"none", "add", "mul", "max", "min"}

func exportScatter(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Scatter)
	var a attrs
	name := "ScatterND"
	if !op.ND {
		name = "ScatterElements"
		a.int("axis", op.Axis)
	}
	if op.Fn != ops.ScatterSet {
		a.str("reduction", scatterNames[op.Fn])
	}
	e.moved(id, e.emit(name, n.Name, &a, e.raw(n, 0), e.raw(n, 1), e.raw(n, 2)))
	return nil
}

func exportExpand(e *exporter, id graph.ID, n *graph.Node) error {
	e.moved(id, e.emit("Expand", n.Name, nil, e.raw(n, 0), e.w.ints(n.Name+"_shape", n.Op.(*ops.Expand).Dims)))
	return nil
}

func exportTile(e *exporter, id graph.ID, n *graph.Node) error {
	e.moved(id, e.emit("Tile", n.Name, nil, e.raw(n, 0), e.w.ints(n.Name+"_repeats", n.Op.(*ops.Tile).Repeats)))
	return nil
}

func exportOneHot(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.OneHot)
	var a attrs
	a.int("axis", op.Axis)
	depth := e.w.constant(n.Name+"_depth", tensor.FromI64([]int64{int64(op.Depth)}))
	e.moved(id, e.emit("OneHot", n.Name, &a, e.raw(n, 0), depth, e.raw(n, 1)))
	return nil
}

func exportCast(e *exporter, id graph.ID, n *graph.Node) error {
	e.moved(id, e.castTo(n.Name, e.raw(n, 0), n.Out.DType))
	return nil
}

// exportQuantize has its scale in the operator or as operands.
func exportQuantize(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Quantize)
	if count(n) == 1 {
		in, nchw := e.aligned(n)
		return e.finishAligned(id, in[0], nchw, ops.Act{})
	}
	var a attrs
	a.int("axis", op.Axis)
	in := []string{e.raw(n, 0), e.raw(n, 1)}
	if count(n) > 2 {
		in = append(in, e.raw(n, 2))
	} else if n.Out.DType != tensor.U8 {
		z := tensor.New(tensor.Spec{DType: n.Out.DType, Shape: e.operandSpec(n, 1).Shape})
		in = append(in, e.w.constant(n.Name+"_zero", z))
	}
	e.moved(id, e.emit("QuantizeLinear", n.Name, &a, in...))
	return nil
}

func exportDequantize(e *exporter, id graph.ID, n *graph.Node) error {
	if count(n) == 1 {
		in, nchw := e.aligned(n)
		return e.finishAligned(id, in[0], nchw, ops.Act{})
	}
	var a attrs
	a.int("axis", n.Op.(*ops.Dequantize).Axis)
	var in []string
	for i := range count(n) {
		in = append(in, e.raw(n, i))
	}
	e.moved(id, e.emit("DequantizeLinear", n.Name, &a, in...))
	return nil
}

func exportDynamicQuantize(e *exporter, id graph.ID, n *graph.Node) error {
	out := []string{e.w.fresh(n.Name), e.w.fresh(n.Name), e.w.fresh(n.Name)}
	e.w.node("DynamicQuantizeLinear", []string{e.raw(n, 0)}, out, nil)
	e.moved(id, out[n.Op.(*ops.DynamicQuantize).Output])
	return nil
}

// rawNCHW is raw for the images and weights of convolutions.
func (e *exporter) rawNCHW(n *graph.Node, i int) string {
	if i < len(n.In) {
		return e.nchw(n.In[i])
	}
	t := n.Params[i-len(n.In)]
	if r := t.Shape.Rank(); r >= 3 {
		t = permute(t, toNCHW(r))
	}
	return e.w.constant(fmt.Sprintf("%s_p%d", n.Name, i), t)
}

func (e *exporter) integer(id graph.ID, n *graph.Node, name string, w *ops.Window, groups int) error {
	var a attrs
	var in []string
	for i := range count(n) {
		if w == nil {
			in = append(in, e.raw(n, i))
		} else {
			in = append(in, e.rawNCHW(n, i))
		}
	}
	if w == nil {
		e.moved(id, e.emit(name, n.Name, nil, in...))
		return nil
	}
	a.window(w)
	if groups > 1 {
		a.int("group", groups)
	}
	e.vals[id].nchw = e.emit(name, n.Name, &a, in...)
	return nil
}

func exportQLinearConv(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.QLinearConv)
	return e.integer(id, n, "QLinearConv", &op.Window, op.Groups)
}

func exportConvInteger(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.ConvInteger)
	return e.integer(id, n, "ConvInteger", &op.Window, op.Groups)
}

func exportQLinearMatMul(e *exporter, id graph.ID, n *graph.Node) error {
	return e.integer(id, n, "QLinearMatMul", nil, 0)
}

func exportMatMulInteger(e *exporter, id graph.ID, n *graph.Node) error {
	return e.integer(id, n, "MatMulInteger", nil, 0)
}
