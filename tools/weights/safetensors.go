package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

// maxHeader is the largest header that the format allows.
const maxHeader = 100 << 20

var safetensorKinds = map[string]kind{
	"F64": f64, "F32": f32, "F16": f16, "BF16": bf16,
	"I64": int64s, "I32": int32s, "I16": int16s, "I8": int8s, "U64": int64s, "U32": int32s, "U16": int16s, "U8": int8s, "BOOL": int8s,
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
		k, ok := safetensorKinds[e.DType]
		if !ok {
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

// Safetensors is a file of float32 tensors under names, in their order.
func Safetensors(names []string, at func(name string) tensor.Tensor) []byte {
	header, data := []byte{'{'}, []byte(nil)
	for i, name := range names {
		t := at(name)
		from := len(data)
		data = append(data, t.Data...)
		key, _ := json.Marshal(name)
		dims, _ := json.Marshal(t.Shape.Dims())
		if i > 0 {
			header = append(header, ',')
		}
		header = fmt.Appendf(header, `%s:{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}`, key, dims, from, len(data))
	}
	header = append(header, '}')
	for len(header)%8 != 0 { // so that the data is aligned
		header = append(header, ' ')
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}
