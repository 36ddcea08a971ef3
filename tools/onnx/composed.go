package onnx

import "fmt"

// Some operators are functions of others: a call of one becomes the nodes of its
// function, which are then brought over as if the file had them.

// sequence is a function being written for one call: its inputs are i0, i1 and so
// on, its outputs o0 and so on, what is between t0, t1.
type sequence struct {
	c     *call
	f     function
	names int
	err   error // why there is no such function
}

// in is the name of input i; empty where the call leaves it out.
func (s *sequence) in(i int) string {
	if s.c.arg(i) == nil {
		return ""
	}
	return fmt.Sprint("i", i)
}

// node adds a node of ONNX's own and names its output.
func (s *sequence) node(op string, in []string, attrs ...attribute) string {
	s.names++
	y := fmt.Sprint("t", s.names)
	s.f.nodes = append(s.f.nodes, &node{name: op, op: op, inputs: in, outputs: []string{y}, attrs: attrs})
	return y
}

// sequenceOpset is the operator set that such functions are written in.
const sequenceOpset = 17

// replace puts what write says in the place of a call; write returns the names of
// the outputs.
func (c *call) replace(write func(s *sequence) []string) error {
	s := &sequence{c: c, f: function{name: c.n.op, domain: c.n.domain, opset: map[string]int64{"": sequenceOpset}}}
	for i := range c.n.inputs {
		s.f.inputs = append(s.f.inputs, fmt.Sprint("i", i))
	}
	s.f.outputs = write(s)
	if s.err != nil {
		return s.err
	}
	return c.expand(c, &s.f)
}

// copied are the call's attributes of these names, where it has them.
func (s *sequence) copied(names ...string) (list []attribute) {
	for _, name := range names {
		if a := s.c.attr(name); a != nil {
			list = append(list, *a)
		}
	}
	return list
}

func intAttr(name string, v int) attribute { return attribute{name: name, kind: attrInt, i: int64(v)} }
func floatAttr(name string, v float32) attribute {
	return attribute{name: name, kind: attrFloat, f: v}
}
func stringAttr(name, v string) attribute {
	return attribute{name: name, kind: attrString, s: []byte(v)}
}

func intsAttr(name string, v []int) attribute {
	a := attribute{name: name, kind: attrInts}
	for _, x := range v {
		a.ints = append(a.ints, int64(x))
	}
	return a
}

// number is a constant.
func (s *sequence) number(v float32) string {
	return s.node("Constant", nil, floatAttr("value_float", v))
}

// importRMSNorm is RMSNormalization, which ONNX Runtime's optimiser writes as
// SimplifiedLayerNormalization: x divided by the root of the mean of its squares over
// the dimensions from axis on, times a scale.
func importRMSNorm(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	rank := c.in[0].rank()
	axis, err := axisIn(c.int("axis", -1), rank)
	if err != nil {
		return err
	}
	var axes []int
	for i := axis; i < rank; i++ {
		axes = append(axes, i)
	}
	return c.replace(func(s *sequence) []string {
		mean := s.node("ReduceMean", []string{s.node("Mul", []string{s.in(0), s.in(0)})}, intsAttr("axes", axes))
		root := s.node("Sqrt", []string{s.node("Add", []string{mean, s.number(c.float("epsilon", 1e-5))})})
		return []string{s.node("Mul", []string{s.node("Div", []string{s.in(0), root}), s.in(1)})}
	})
}

// importHardmax is 1 at the first largest element along axis and 0 elsewhere; before
// operator set 13 all dimensions from axis on are one.
func importHardmax(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	s, def := c.in[0].spec().Shape, -1
	if c.opset < 13 {
		def = 1
	}
	axis, err := axisIn(c.int("axis", def), s.Rank())
	if err != nil {
		return err
	}
	if c.opset < 13 && axis != s.Rank()-1 {
		return fmt.Errorf("axis %d of %v before operator set 13", axis, s)
	}
	return c.replace(func(q *sequence) []string {
		at := q.node("ArgMax", []string{q.in(0)}, intAttr("axis", axis), intAttr("keepdims", 0))
		depth := q.node("Constant", nil, intAttr("value_int", s.Dim(axis)))
		values := q.node("Constant", nil, attribute{name: "value_floats", kind: attrFloats, floats: []float32{0, 1}})
		return []string{q.node("OneHot", []string{at, depth, values}, intAttr("axis", axis))}
	})
}

// importMVN is MeanVarianceNormalization: x less its mean, over its standard deviation,
// both over axes. As ONNX defines it, 1e-9 is added to the deviation.
func importMVN(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	axes := c.ints("axes")
	if axes == nil {
		axes = []int{0, 2, 3}
	}
	return c.replace(func(s *sequence) []string {
		mean := func(x string) string { return s.node("ReduceMean", []string{x}, intsAttr("axes", axes)) }
		x := s.node("Sub", []string{s.in(0), mean(s.in(0))})
		deviation := s.node("Sqrt", []string{mean(s.node("Mul", []string{x, x}))})
		return []string{s.node("Div", []string{x, s.node("Add", []string{deviation, s.number(1e-9)})})}
	})
}

// importIsNaN: a number differs from itself where it is none.
func importIsNaN(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	return c.replace(func(s *sequence) []string {
		return []string{s.node("Not", []string{s.node("Equal", []string{s.in(0), s.in(0)})})}
	})
}
