package onnx

import "google.golang.org/protobuf/encoding/protowire"

// parser counts what it made, against the limits.
type parser struct {
	nodes, elements int
}

// parseModel reads a ModelProto. The result refers to b.
func parseModel(b []byte) (*model, error) {
	p := &parser{}
	m := &model{opset: map[string]int64{}, metadata: map[string]string{}}
	w := wire{b: b, what: "model"}
	for w.next() {
		var err error
		switch w.num {
		case 1:
			m.irVersion = w.int()
		case 2:
			m.producer = w.str()
		case 7:
			m.graph, err = p.graph(w.bytes(), 0)
		case 8:
			err = p.opset(w.bytes(), m.opset)
		case 14:
			err = p.entry(w.bytes(), m.metadata)
		case 25:
			var f *function
			if f, err = p.function(w.bytes()); err == nil {
				m.functions = append(m.functions, f)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if w.err != nil {
		return nil, w.err
	}
	if m.graph == nil {
		return nil, formatf("model has no graph")
	}
	return m, nil
}

func (p *parser) count(n int) error {
	if p.elements += n; p.elements > maxElements {
		return formatf("more than %d names and numbers", maxElements)
	}
	return nil
}

func (p *parser) opset(b []byte, to map[string]int64) error {
	w := wire{b: b, what: "opset"}
	var domain string
	var version int64
	for w.next() {
		switch w.num {
		case 1:
			domain = w.str()
		case 2:
			version = w.int()
		}
	}
	if domain == "ai.onnx" {
		domain = ""
	}
	to[domain] = version
	if w.err != nil {
		return w.err
	}
	return p.count(1)
}

// entry is a StringStringEntryProto.
func (p *parser) entry(b []byte, to map[string]string) error {
	w := wire{b: b, what: "entry"}
	var k, v string
	for w.next() {
		switch w.num {
		case 1:
			k = w.str()
		case 2:
			v = w.str()
		}
	}
	to[k] = v
	if w.err != nil {
		return w.err
	}
	return p.count(1)
}

func (p *parser) graph(b []byte, depth int) (*graphProto, error) {
	if depth > maxDepth {
		return nil, formatf("graphs nested deeper than %d", maxDepth)
	}
	g := &graphProto{}
	w := wire{b: b, what: "graph"}
	for w.next() {
		var err error
		switch w.num {
		case 1:
			var n *node
			if n, err = p.node(w.bytes(), depth); err == nil {
				g.nodes = append(g.nodes, n)
			}
		case 2:
			g.name = w.str()
		case 5:
			var t *tensorProto
			if t, err = p.tensor(w.bytes()); err == nil {
				g.initializers = append(g.initializers, t)
			}
		case 11, 12:
			var v valueInfo
			if v, err = p.valueInfo(w.bytes()); err != nil {
				break
			}
			if w.num == 11 {
				g.inputs = append(g.inputs, v)
			} else {
				g.outputs = append(g.outputs, v)
			}
		case 15:
			g.sparse++
		}
		if err != nil {
			return nil, err
		}
	}
	return g, w.err
}

func (p *parser) node(b []byte, depth int) (*node, error) {
	if p.nodes++; p.nodes > maxNodes {
		return nil, formatf("more than %d nodes", maxNodes)
	}
	n := &node{}
	w := wire{b: b, what: "node"}
	for w.next() {
		err := p.count(1)
		switch w.num {
		case 1:
			n.inputs = append(n.inputs, w.str())
		case 2:
			n.outputs = append(n.outputs, w.str())
		case 3:
			n.name = w.str()
		case 4:
			n.op = w.str()
		case 5:
			var a attribute
			if err == nil {
				a, err = p.attribute(w.bytes(), depth)
			}
			n.attrs = append(n.attrs, a)
		case 7:
			if n.domain = w.str(); n.domain == "ai.onnx" {
				n.domain = ""
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if w.err == nil && n.op == "" {
		return nil, formatf("node %q has no operator", n.name)
	}
	return n, w.err
}

func (p *parser) function(b []byte) (*function, error) {
	f := &function{opset: map[string]int64{}}
	w := wire{b: b, what: "function"}
	for w.next() {
		err := p.count(1)
		if err != nil {
			return nil, err
		}
		switch w.num {
		case 1:
			f.name = w.str()
		case 4:
			f.inputs = append(f.inputs, w.str())
		case 5:
			f.outputs = append(f.outputs, w.str())
		case 6:
			f.attrs = append(f.attrs, w.str())
		case 7:
			var n *node
			if n, err = p.node(w.bytes(), 1); err == nil {
				f.nodes = append(f.nodes, n)
			}
		case 9:
			err = p.opset(w.bytes(), f.opset)
		case 10:
			f.domain = w.str()
		case 11:
			var a attribute
			if a, err = p.attribute(w.bytes(), 1); err == nil {
				f.defaults = append(f.defaults, a)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return f, w.err
}

func (p *parser) attribute(b []byte, depth int) (a attribute, err error) {
	w := wire{b: b, what: "attribute"}
	n := 0
	for w.next() {
		switch w.num {
		case 1:
			a.name = w.str()
		case 2:
			a.f, a.kind = w.float(), orKind(a.kind, attrFloat)
		case 3:
			a.i, a.kind = w.int(), orKind(a.kind, attrInt)
		case 4:
			a.s, a.kind = w.bytes(), orKind(a.kind, attrString)
		case 5:
			a.kind = orKind(a.kind, attrTensor)
			a.t, err = p.tensor(w.bytes())
		case 6:
			a.kind = orKind(a.kind, attrGraph)
			a.g, err = p.graph(w.bytes(), depth+1)
		case 7:
			a.kind = orKind(a.kind, attrFloats)
			w.eachFixed(protowire.Fixed32Type, func(v uint64) {
				if n++; n < maxElements {
					a.floats = append(a.floats, bitsFloat(v))
				}
			})
		case 8:
			a.kind = orKind(a.kind, attrInts)
			w.eachVarint(func(v uint64) {
				if n++; n < maxElements {
					a.ints = append(a.ints, int64(v))
				}
			})
		case 9:
			n++
			a.kind = orKind(a.kind, attrStrings)
			a.strs = append(a.strs, w.str())
		case 20:
			a.kind = w.int()
		case 21:
			a.ref = w.str()
		}
		if err == nil {
			err = p.count(n)
			n = 0
		}
		if err != nil {
			return a, err
		}
	}
	return a, w.err
}

// orKind is the attribute's type, guessed from the field where old files do
// not say it.
func orKind(kind, guess int64) int64 {
	if kind == 0 {
		return guess
	}
	return kind
}

func (p *parser) valueInfo(b []byte) (v valueInfo, err error) {
	w := wire{b: b, what: "value"}
	for w.next() {
		switch w.num {
		case 1:
			v.name = w.str()
		case 2:
			if err = p.valueType(w.bytes(), &v); err != nil {
				return v, err
			}
		}
	}
	if w.err != nil {
		return v, w.err
	}
	return v, p.count(1)
}

func (p *parser) valueType(b []byte, v *valueInfo) error {
	w := wire{b: b, what: "type"}
	for w.next() {
		if w.num == 6 { // denotation
			continue
		}
		if w.num != 1 {
			v.other = true
			continue
		}
		t := wire{b: w.bytes(), what: "tensor type"}
		for t.next() {
			switch t.num {
			case 1:
				v.dtype = int32(t.int())
			case 2:
				if err := p.shape(t.bytes(), v); err != nil {
					return err
				}
			}
		}
		if t.err != nil {
			return t.err
		}
	}
	return w.err
}

func (p *parser) shape(b []byte, v *valueInfo) error {
	v.shaped = true
	w := wire{b: b, what: "shape"}
	for w.next() {
		if w.num != 1 {
			continue
		}
		var d dim
		x := wire{b: w.bytes(), what: "dimension"}
		for x.next() {
			switch x.num {
			case 1:
				d.size, d.known = x.int(), true
			case 2:
				d.param = x.str()
			}
		}
		if x.err != nil {
			return x.err
		}
		if err := p.count(1); err != nil {
			return err
		}
		v.dims = append(v.dims, d)
	}
	return w.err
}
