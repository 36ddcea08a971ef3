package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// maxHeader is the largest header that the format allows.
const maxHeader = 100 << 20

// safetensorKind is the type of elements that the format calls so.
func safetensorKind(name string) kind {
	switch name {
	case "F64":
		return f64
	case "F32":
		return f32
	case "F16":
		return f16
	case "BF16":
		return bf16
	case "I64", "U64":
		return int64s
	case "I32", "U32":
		return int32s
	case "I16", "U16":
		return int16s
	case "I8", "U8", "BOOL":
		return int8s
	}
	return unknown
}

// safetensors reads the length of a header in JSON, the header, and the bytes that it
// says where to find; see https://github.com/huggingface/safetensors, "Format".
func (s *Set) safetensors(b []byte) error {
	n := binary.LittleEndian.Uint64(b)
	if n > maxHeader || n > uint64(len(b)-8) {
		return formatf("a header of %d bytes in a file of %d", n, len(b))
	}
	header, data := b[8:8+n], b[8+n:]
	d := json.NewDecoder(bytes.NewReader(header))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return formatf("the header is no JSON object")
	}
	for d.More() { // by hand, for the order and for names that are there twice
		name, err := d.Token()
		if err != nil {
			return formatf("the header: %v", err)
		}
		if name == "__metadata__" {
			var skip map[string]string
			if err := d.Decode(&skip); err != nil {
				return formatf("the header's metadata: %v", err)
			}
			continue
		}
		var e struct {
			DType   string   `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets []uint64 `json:"data_offsets"`
		}
		if err := d.Decode(&e); err != nil {
			return formatf("the header's %q: %v", name, err)
		}
		k := safetensorKind(e.DType)
		if k == unknown {
			return formatf("%q is of type %q", name, e.DType)
		}
		o := e.Offsets
		if len(o) != 2 || o[0] > o[1] || o[1] > uint64(len(data)) {
			return formatf("%q is at bytes %v of %d", name, o, len(data))
		}
		if err := s.add(fmt.Sprint(name), stored{kind: k, dims: e.Shape, data: data[o[0]:o[1]]}); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return formatf("the header: %v", err)
	}
	return nil
}
