package format

import "slices"

// The metadata section is a list of entries, each a key and a value, so that
// readers skip what they do not know:
//
//	metadata = count, (key string, value string)*
//
// The keys are labels (strings), preprocess (numbers and strings), source,
// description, and x- followed by the caller's own. Values are bytes of their
// own small encodings, below.

func (m *Metadata) encode() []byte {
	type entry struct {
		key   string
		value []byte
	}
	var list []entry
	if len(m.Labels) > 0 {
		var e enc
		e.uint(uint64(len(m.Labels)))
		for _, l := range m.Labels {
			e.string(l)
		}
		list = append(list, entry{"labels", e.b})
	}
	if p := m.Preprocess; p != nil {
		var e enc
		e.int(p.Width)
		e.int(p.Height)
		e.int(p.Resize)
		e.string(p.Mode)
		e.float(p.Scale)
		e.floats(p.Mean)
		e.floats(p.Std)
		e.string(p.Order)
		e.string(p.Layout)
		list = append(list, entry{"preprocess", e.b})
	}
	if m.Source != "" {
		list = append(list, entry{"source", []byte(m.Source)})
	}
	if m.Description != "" {
		list = append(list, entry{"description", []byte(m.Description)})
	}
	var keys []string
	for k := range m.Extra {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		list = append(list, entry{"x-" + k, []byte(m.Extra[k])})
	}
	var e enc
	e.uint(uint64(len(list)))
	for _, x := range list {
		e.string(x.key)
		e.string(string(x.value))
	}
	return e.b
}

func parseMetadata(b []byte) (*Metadata, error) {
	d := &dec{b: b, section: "metadata"}
	m := &Metadata{}
	for range d.count(2) {
		key, value := d.string(), d.string()
		v := &dec{b: []byte(value), section: "metadata, " + key}
		switch {
		case key == "labels":
			m.Labels = make([]string, v.count(1))
			for i := range m.Labels {
				m.Labels[i] = v.string()
			}
		case key == "preprocess":
			m.Preprocess = &Preprocess{
				Width: v.int(), Height: v.int(), Resize: v.int(), Mode: v.string(), Scale: v.float(),
				Mean: v.floats(), Std: v.floats(), Order: v.string(), Layout: v.string(),
			}
		case key == "source":
			m.Source = value
		case key == "description":
			m.Description = value
		case len(key) >= 2 && key[:2] == "x-":
			if m.Extra == nil {
				m.Extra = map[string]string{}
			}
			m.Extra[key[2:]] = value
		}
		if v.err != nil {
			return nil, v.err
		}
	}
	if d.err == nil && d.left() > 0 {
		d.fail("bytes after the entries")
	}
	if d.err != nil {
		return nil, d.err
	}
	return m, nil
}
