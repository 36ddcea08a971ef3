package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

// Named is a float32 tensor under a name.
type Named struct {
	Name string
	tensor.Tensor
}

// Safetensors is the file of some tensors, in their order. Names must differ.
func Safetensors(all []Named) ([]byte, error) {
	var header bytes.Buffer
	size, seen := 0, map[string]bool{}
	for i, t := range all {
		if t.DType != tensor.F32 {
			return nil, fmt.Errorf("weights: %q is %v, not float32", t.Name, t.DType)
		}
		if seen[t.Name] {
			return nil, fmt.Errorf("weights: two tensors are called %q", t.Name)
		}
		seen[t.Name] = true
		key, err := json.Marshal(t.Name)
		if err != nil {
			return nil, err
		}
		dims, err := json.Marshal(append([]int{}, t.Shape.Dims()...)) // a scalar's are [], not null
		if err != nil {
			return nil, err
		}
		if i > 0 {
			header.WriteByte(',')
		}
		fmt.Fprintf(&header, `%s:{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}`, key, dims, size, size+t.Bytes())
		size += t.Bytes()
	}
	text := "{" + header.String() + "}"
	for len(text)%8 != 0 { // so that the data is aligned
		text += " "
	}
	b := make([]byte, 0, 8+len(text)+size)
	b = append(binary.LittleEndian.AppendUint64(b, uint64(len(text))), text...)
	for i := range all {
		b = append(b, tensor.BytesOf(all[i].F32())...)
	}
	return b, nil
}
