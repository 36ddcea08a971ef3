package tflite

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tests/shared"
)

// fbTable is a table to write: its fields by id, nil where absent.
type fbTable []any

// fbWriter writes FlatBuffers the plain way: a parent, then what it points to.
type fbWriter struct{ b []byte }

func (w *fbWriter) align(n int) {
	for len(w.b)%n != 0 {
		w.b = append(w.b, 0)
	}
}

func (w *fbWriter) u32(v uint32) { w.b = binary.LittleEndian.AppendUint32(w.b, v) }

// table writes t and what it points to, and returns its position.
func (w *fbWriter) table(t fbTable) int {
	w.align(8)
	vt := len(w.b)
	offs := make([]uint16, len(t))
	size := 4
	for i, f := range t {
		if f == nil {
			continue
		}
		n := 4
		if _, ok := f.(uint64); ok {
			n = 8
		}
		offs[i] = uint16(size)
		size += n
	}
	w.b = binary.LittleEndian.AppendUint16(w.b, uint16(4+2*len(t)))
	w.b = binary.LittleEndian.AppendUint16(w.b, uint16(size))
	for _, o := range offs {
		w.b = binary.LittleEndian.AppendUint16(w.b, o)
	}
	w.align(4)
	at := len(w.b)
	w.u32(uint32(at - vt))
	w.b = append(w.b, make([]byte, size-4)...)
	for i, f := range t {
		p := at + int(offs[i])
		switch v := f.(type) {
		case nil:
		case int:
			binary.LittleEndian.PutUint32(w.b[p:], uint32(int32(v)))
		case float32:
			binary.LittleEndian.PutUint32(w.b[p:], math.Float32bits(v))
		case uint64:
			binary.LittleEndian.PutUint64(w.b[p:], v)
		default:
			to := w.ref(v)
			binary.LittleEndian.PutUint32(w.b[p:], uint32(to-p))
		}
	}
	return at
}

// ref writes what a field points to.
func (w *fbWriter) ref(v any) int {
	switch v := v.(type) {
	case fbTable:
		return w.table(v)
	case string:
		return w.ref([]byte(v))
	case []byte:
		for len(w.b)%16 != 12 { // so that the bytes start at a multiple of 16
			w.b = append(w.b, 0)
		}
		at := len(w.b)
		w.u32(uint32(len(v)))
		w.b = append(w.b, v...)
		return at
	case []fbTable:
		w.align(4)
		at := len(w.b)
		w.u32(uint32(len(v)))
		w.b = append(w.b, make([]byte, 4*len(v))...)
		for i, t := range v {
			p := at + 4 + 4*i
			to := w.table(t)
			binary.LittleEndian.PutUint32(w.b[p:], uint32(to-p))
		}
		return at
	}
	w.align(4)
	at := len(w.b)
	switch v := v.(type) {
	case []int32:
		w.u32(uint32(len(v)))
		for _, x := range v {
			w.u32(uint32(x))
		}
	case []int64:
		w.u32(uint32(len(v)))
		for _, x := range v {
			w.b = binary.LittleEndian.AppendUint64(w.b, uint64(x))
		}
	case []float32:
		w.u32(uint32(len(v)))
		for _, x := range v {
			w.u32(math.Float32bits(x))
		}
	default:
		panic("fbWriter: unknown field")
	}
	return at
}

// file writes a whole file.
func fbFile(root fbTable) []byte {
	w := &fbWriter{b: []byte("\x00\x00\x00\x00TFL3")}
	at := w.table(root)
	binary.LittleEndian.PutUint32(w.b, uint32(at))
	return w.b
}

func fbTensor(name string, typ, buffer int, quant fbTable, dims ...int32) fbTable {
	t := fbTable{dims, typ, buffer, name, nil}
	if quant != nil {
		t[4] = quant
	}
	return t
}

func f32Bytes(v ...float32) []byte { return tensor.BytesOf(v) }

// tiny is a network of a convolution with relu6, an addition and a reshape.
func tiny(ops []fbTable, codes []fbTable) []byte {
	tensors := []fbTable{
		fbTensor("x", 0, 0, nil, 1, 4, 4, 2),
		fbTensor("w", 0, 1, nil, 3, 1, 1, 2),
		fbTensor("b", 0, 2, nil, 3),
		fbTensor("conv", 0, 0, nil, 1, 2, 2, 3),
		fbTensor("sum", 0, 0, nil, 1, 2, 2, 3),
		fbTensor("shape", typeInt32, 3, nil, 2),
		fbTensor("y", 0, 0, nil, 1, 12),
	}
	return fbFile(fbTable{3, codes,
		[]fbTable{{tensors, []int32{0}, []int32{6}, ops, "main"}},
		"made by a test",
		[]fbTable{{}, {f32Bytes(1, 2, 3, 4, 5, 6)}, {f32Bytes(.5, 0, -20)}, {tensor.BytesOf([]int32{1, 12})}},
		nil,
		[]fbTable{{"note", 1}},
	})
}

func tinyOps() ([]fbTable, []fbTable) {
	return []fbTable{
		{0, []int32{0, 1, 2}, []int32{3}, 1, fbTable{1, 2, 2, 3}},
		{1, []int32{3, 3}, []int32{4}, 11, fbTable{0}},
		{2, []int32{4, 5}, []int32{6}},
	}, []fbTable{{opConv2d, nil, 1, opConv2d}, {opAdd}, {opReshape}}
}

func TestImportTiny(t *testing.T) {
	g, err := Import(bytes.NewReader(tiny(tinyOps())))
	require.NoError(t, err)
	require.Equal(t, "main", g.Name())
	in := tensor.New(g.Node(g.Inputs()[0]).Out)
	for i := range in.F32() {
		in.F32()[i] = float32(i) / 10
	}
	vals := map[graph.ID]tensor.Tensor{g.Inputs()[0]: in}
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		if n.Op.Kind() == ops.KindInput {
			continue
		}
		var args []tensor.Tensor
		for _, x := range n.In {
			args = append(args, vals[x])
		}
		vals[graph.ID(i)], err = ops.Run(n.Op, args, n.Params)
		require.NoError(t, err)
	}
	y := vals[g.Outputs()[0].ID]
	require.Equal(t, tensor.Of(1, 12), y.Shape)
	// The window starts at 0, 2 of both dimensions: x = .0 .1, .4 .5, 1.6 1.7, 2 2.1.
	for p, x := range [][2]float32{{0, .1}, {.4, .5}, {1.6, 1.7}, {2, 2.1}} {
		for o, w := range [][3]float32{{1, 2, .5}, {3, 4, 0}, {5, 6, -20}} {
			want := 2 * min(max(x[0]*w[0]+x[1]*w[1]+w[2], 0), 6)
			require.InDelta(t, want, y.F32()[3*p+o], 1e-5)
		}
	}
	meta, err := Metadata(tiny(tinyOps()))
	require.NoError(t, err)
	require.Len(t, meta["note"], 24)
}

// TestUnsupported wants every operator that cannot be imported in one error.
func TestUnsupported(t *testing.T) {
	o, c := tinyOps()
	c = append(c, fbTable{opCustom, "FlexErf"}, fbTable{16})
	o[1][0] = 3
	o = append(o, fbTable{4, []int32{0}, []int32{4}})
	_, err := Parse(tiny(o, c))
	var un *UnsupportedError
	require.ErrorAs(t, err, &un)
	require.Len(t, un.Ops, 2, "the reshape only reads a refused value")
	require.Equal(t, `CUSTOM "FlexErf"`, un.Ops[0].Op)
	require.Equal(t, "LSTM", un.Ops[1].Op)
	require.Contains(t, err.Error(), "SELECT_TF_OPS")
	require.NotContains(t, err.Error(), "\n", "one line")
}

// TestMalformed cuts and changes a good file in every place: an error or a
// graph, never a panic.
func TestMalformed(t *testing.T) {
	good := tiny(tinyOps())
	for n := range good {
		_, err := Parse(good[:n])
		require.Error(t, err, "cut to %d bytes", n)
	}
	var fe *FormatError
	_, err := Parse(nil)
	require.ErrorAs(t, err, &fe)
	everyByte(t, good, 0, 1, 0x7f, 0x80, 0xff)
}

// everyByte changes one byte of a good file at a time: to each of the values,
// and by one bit.
func everyByte(t *testing.T, good []byte, values ...byte) {
	t.Helper()
	b := bytes.Clone(good)
	for i, was := range good {
		for _, v := range append([]byte{was ^ 4}, values...) {
			b[i] = v
			g, err := Parse(bytes.Clone(b)) // constants are views of it
			require.True(t, (g == nil) != (err == nil), "byte %d is %#x", i, v)
		}
		b[i] = was
	}
}

func FuzzImport(f *testing.F) {
	f.Add(tiny(tinyOps()))
	dilated, y := phasesFile(true, true, 1, []int32{0, 1, 0, 0}, []int32{0, 1, 0, 0})
	f.Add(dilated.file(y))
	if d := shared.Find(); d != "" {
		for _, n := range []string{"models/tinymaix/mnist_resnet_q.tflite", "models/mlperf-tiny/kws01/kws_ref_model.tflite"} {
			if b, err := os.ReadFile(filepath.Join(d, n)); err == nil {
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := Parse(b)
		if (g == nil) == (err == nil) {
			t.Fatal("neither or both of graph and error")
		}
	})
}
