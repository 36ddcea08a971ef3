package onnx

import "fmt"

// expand puts a function's nodes in the place of a node that calls it, under
// names of their own.
func (im *importer) expand(c *call, f *function) error {
	if err := c.operands(); err != nil {
		return err
	}
	if im.depth++; im.depth > maxDepth {
		return formatf("functions nested deeper than %d", maxDepth)
	}
	defer func() { im.depth-- }()
	prefix := c.label() + "/"
	inner := map[string]*value{}
	for i, name := range f.inputs {
		if v := c.arg(i); v != nil {
			inner[name] = v
		}
	}
	outer, opset := im.vals, im.opset
	im.vals = inner
	if v, ok := f.opset[""]; ok {
		im.opset = v
	}
	err := func() error {
		for _, n := range ordered(f.nodes) {
			m := bind(n, c, f, prefix)
			dropMissing(m, f, c)
			if err := im.run([]*node{m}); err != nil {
				return err
			}
		}
		return nil
	}()
	im.vals, im.opset = outer, opset
	if err != nil {
		return err
	}
	for i, name := range f.outputs {
		if !c.wants(i) {
			continue
		}
		v := inner[name]
		if v == nil {
			return formatf("function %q does not compute its output %q", f.name, name)
		}
		if v.err != nil {
			im.vals[c.n.outputs[i]] = v
			continue
		}
		c.set(i, v)
	}
	return nil
}

// bind is a function's node with the caller's attributes filled in.
func bind(n *node, c *call, f *function, prefix string) *node {
	m := *n
	m.name = prefix + n.name
	m.attrs = nil
	for _, a := range n.attrs {
		if a.ref == "" {
			m.attrs = append(m.attrs, a)
			continue
		}
		given := c.attr(a.ref)
		for i := range f.defaults {
			if given == nil && f.defaults[i].name == a.ref {
				given = &f.defaults[i]
			}
		}
		if given == nil {
			continue // optional and absent
		}
		b := *given
		b.name = a.name
		m.attrs = append(m.attrs, b)
	}
	return &m
}

// dropMissing empties the names of function inputs that the caller left out.
func dropMissing(m *node, f *function, c *call) {
	m.inputs = append([]string(nil), m.inputs...)
	for i, name := range m.inputs {
		for j, in := range f.inputs {
			if name == in && c.arg(j) == nil {
				m.inputs[i] = ""
			}
		}
	}
}

// importIf takes the branch that a constant condition names.
func importIf(c *call) error {
	t, batchy, err := c.constInput(0, "the condition")
	if err != nil {
		return err
	}
	if batchy || t.Shape.Elems() != 1 || len(t.Data) == 0 {
		return fmt.Errorf("the condition is no constant scalar")
	}
	name := "else_branch"
	if t.Data[0] != 0 {
		name = "then_branch"
	}
	a := c.attr(name)
	if a == nil || a.g == nil {
		return formatf("If %q has no %s", c.label(), name)
	}
	if c.depth++; c.depth > maxDepth {
		return formatf("branches nested deeper than %d", maxDepth)
	}
	defer func() { c.depth-- }()
	outer := c.vals
	c.nodes += len(outer) / 16 // the copy below is work too
	inner := make(map[string]*value, len(outer))
	for k, v := range outer {
		inner[k] = v
	}
	c.importer.vals = inner
	err = c.constants(a.g)
	if err == nil {
		err = c.run(a.g.nodes)
	}
	c.importer.vals = outer
	if err != nil {
		return err
	}
	for i, o := range a.g.outputs {
		v := inner[o.name]
		switch {
		case v == nil:
			return formatf("branch of If %q does not compute %q", c.label(), o.name)
		case v.err != nil:
			c.refuseValue(o.name, v.err)
			return errPoisoned
		}
		c.set(i, v)
	}
	return nil
}
