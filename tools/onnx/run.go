package onnx

import (
	"errors"
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// handler brings one node over.
type handler func(c *call) error

// run brings nodes over in order. What is not supported is noted and the run
// goes on, so that one report holds everything.
func (im *importer) run(nodes []*node) error {
	for _, n := range ordered(nodes) {
		if im.nodes++; im.nodes > maxNodes {
			return formatf("more than %d nodes after expanding functions", maxNodes)
		}
		if err := im.runNode(n); err != nil {
			return err
		}
	}
	return nil
}

func (im *importer) runNode(n *node) error {
	c := &call{importer: im, n: n, opset: im.opset}
	if im.depth == 0 { // names of functions and branches are their own
		for _, o := range n.outputs {
			if o != "" && im.vals[o] != nil {
				return formatf("value %q is there twice, node %q computes it anew", o, c.label())
			}
		}
	}
	if f := im.funcs[n.domain+"\x00"+n.op]; f != nil {
		return im.expand(c, f)
	}
	h := im.handlers[n.domain][n.op]
	if h == nil {
		u := Unsupported{Node: c.label(), Op: n.op, Why: "the operator is not supported", Hint: hint(n.op)}
		if n.domain != "" {
			u.Op = n.domain + "." + n.op
			u.Hint = domainHint(n.domain)
		}
		im.refuse(u)
		c.poison()
		return nil
	}
	if err := c.operands(); err != nil {
		return err
	}
	for i, v := range c.in {
		if v != nil && v.double != nil && !takesDoubles[n.op] {
			if c.in[i] = c.single(v); c.in[i] == nil {
				return c.b.Err()
			}
			continue
		}
		if v != nil && v.err != nil && !takesDoubles[n.op] {
			im.refuseValue(v.name, v.err)
			v.err = errPoisoned // once
			c.poison()
			return nil
		}
	}
	var err error
	half := tensor.Invalid
	if im.half[n.op] {
		half, err = c.widenHalf()
	}
	if err == nil {
		err = h(c)
	}
	if err == nil {
		c.narrowHalf(half)
		err = im.b.Err()
	}
	if err == nil {
		for i, o := range n.outputs {
			if o != "" && im.vals[o] == nil { // what nothing reads does no harm
				im.vals[o] = &value{im: im, name: o, id: -1, err: &outputError{c.label(), n.op, i}}
			}
		}
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrFormat) || im.b.Err() != nil {
		return fmt.Errorf("onnx: %s %q: %w", n.op, c.label(), err)
	}
	if !errors.Is(err, errPoisoned) {
		u := Unsupported{Node: c.label(), Op: n.op, Why: err.Error(), Err: err}
		var be *bakedError
		var ce *constError
		switch {
		case errors.As(err, &be):
			u.Hint = "fix the batch with --batch"
		case errors.As(err, &ce):
			u.Hint = "export the model with this value as a constant"
		}
		im.refuse(u)
	}
	c.poison()
	return nil
}

// single is a double constant as float32, in which all is computed: exporters write
// doubles where Python had a plain number beside integers. nil is an error of the builder.
func (c *call) single(v *value) *value {
	if !c.copies(4 * len(v.double)) {
		return nil
	}
	f := make([]float32, len(v.double))
	for i, x := range v.double {
		f[i] = float32(x)
	}
	return c.known(v.name, tensor.FromF32(f, v.c.Shape.Dims()...))
}

// takesDoubles are the operators that can do something with double constants.
var takesDoubles = map[string]bool{"Cast": true, "CastLike": true, "Identity": true, "Constant": true}

// hint says what to do about an operator that is not supported.
func hint(op string) string {
	switch op {
	case "Loop", "Scan":
		return "export the model without loops: trace it instead of scripting it"
	case "LSTM", "GRU", "RNN":
		return "recurrent layers are not supported"
	case "NonMaxSuppression":
		return "export the model without its post-processing"
	case "Unique", "Compress":
		return "shapes that depend on values are not supported"
	case "SequenceConstruct":
		return "sequences are not supported"
	case "StringNormalizer":
		return "strings are not supported"
	case "FusedConv":
		return "export the model before ONNX Runtime optimises it"
	case "ScaledDotAttention":
		return "attention is not supported"
	}
	return ""
}

func domainHint(domain string) string {
	switch domain {
	case "com.microsoft", "com.microsoft.nchwc":
		return "export the model before ONNX Runtime optimises it"
	case "ai.onnx.preview.training", "ai.onnx.training":
		return "training operators are not imported: use teff train"
	case "ai.onnx.ml":
		return "classical machine learning is not supported"
	}
	return "only operators of ai.onnx and functions within the file are supported"
}

// call is one node being brought over.
type call struct {
	*importer
	n     *node
	in    []*value // nil where an optional input is left out
	opset int64
}

// label is what errors call the node.
func (c *call) label() string {
	if c.n.name != "" {
		return c.n.name
	}
	if len(c.n.outputs) > 0 {
		return c.n.outputs[0]
	}
	return c.n.op
}

func (c *call) operands() error {
	c.in = make([]*value, len(c.n.inputs))
	for i, name := range c.n.inputs {
		if name == "" {
			continue
		}
		if c.in[i] = c.vals[name]; c.in[i] == nil {
			return formatf("node %q reads %q, which nothing computed before", c.label(), name)
		}
	}
	return nil
}

func (c *call) poison() {
	for _, o := range c.n.outputs {
		if o != "" {
			c.vals[o] = &value{im: c.importer, name: o, id: -1, err: errPoisoned}
		}
	}
}

// arg is input i, or nil.
func (c *call) arg(i int) *value {
	if i < len(c.in) {
		return c.in[i]
	}
	return nil
}

// need is the first n inputs, all of which must be there.
func (c *call) need(n int) error {
	for i := range n {
		if c.arg(i) == nil {
			return formatf("%s %q has no input %d", c.n.op, c.label(), i)
		}
	}
	return nil
}

// wants reports whether output i is used.
func (c *call) wants(i int) bool { return i < len(c.n.outputs) && c.n.outputs[i] != "" }

// set gives output i its value.
func (c *call) set(i int, v *value) {
	if !c.wants(i) {
		return
	}
	w := *v
	w.name = c.n.outputs[i]
	c.vals[w.name] = &w
}

// out adds op and makes it output 0.
func (c *call) out(op ops.Op, operands ...*value) error { return c.outAt(0, op, operands...) }

// outAt adds op and makes it output i.
func (c *call) outAt(i int, op ops.Op, operands ...*value) error {
	if !c.wants(i) {
		return nil
	}
	v, err := c.add(c.outName(i), op, operands...)
	if err != nil {
		return err
	}
	c.set(i, v)
	return nil
}

// outName is what the graph calls the node of output i.
func (c *call) outName(i int) string {
	if i == 0 && c.n.name != "" {
		return c.n.name
	}
	if i < len(c.n.outputs) {
		return c.n.outputs[i]
	}
	return c.label()
}

// spatial adds an operator that works on channels-last tensors: x is brought
// to NHWC before and the result back after. Other operands are given as the
// operator wants them.
func (c *call) spatial(i int, op ops.Op, x *value, rest ...*value) error {
	if !c.wants(i) {
		return nil
	}
	h, err := c.toNHWC(x)
	if err != nil {
		return err
	}
	y, err := c.add(c.outName(i), op, append([]*value{h}, rest...)...)
	if err != nil {
		return err
	}
	if y, err = c.fromNHWC(y); err != nil {
		return err
	}
	c.set(i, y)
	return nil
}

// present are the inputs that are there, from input first on; a gap is an
// error, for our operands have none.
func (c *call) present(first int) ([]*value, error) {
	var vs []*value
	for i := first; i < len(c.in); i++ {
		if c.in[i] == nil {
			for _, v := range c.in[i:] {
				if v != nil {
					return nil, fmt.Errorf("input %d is left out but a later one is not", i)
				}
			}
			break
		}
		vs = append(vs, c.in[i])
	}
	return vs, nil
}
