package weights

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
	"github.com/teff-ml/teff/tools/onnx"
)

// TestTorch: PyTorch's own files, with strides, with halves and a checkpoint around
// them, and as they were before 1.6; see testdata/make.py for what they hold.
func TestTorch(t *testing.T) {
	names := []string{"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "3.weight", "3.bias"}
	for _, file := range []string{"state.pth", "protocol4.pth", "old.pth", "checkpoint.pth"} {
		t.Run(file, func(t *testing.T) {
			s, err := ReadFile(filepath.Join("testdata", file))
			require.NoError(t, err)
			require.Equal(t, names, s.Names())
			require.Equal(t, []int{3, 2, 3, 3}, s.Dims("0.weight"))
			for _, n := range names {
				x, ok := s.Float32(n)
				require.True(t, ok)
				for i, v := range x.F32() {
					require.Equal(t, float32(i)/8-1, v, "%s[%d]", n, i)
				}
			}
			require.Nil(t, s.Dims("1.num_batches_tracked"), "an integer")
			_, ok := s.Float32("4.weight")
			require.False(t, ok)
		})
	}
	_, err := ReadFile("testdata/module.pth")
	require.ErrorIs(t, err, ErrFormat)
	require.ErrorContains(t, err, "only its state_dict()")
	require.ErrorContains(t, err, "testdata/module.pth")
}

// TestRealCheckpoint: a checkpoint of a residual network agrees with the ONNX file that
// was exported of it, in which batch norm is folded.
func TestRealCheckpoint(t *testing.T) {
	s, err := ReadFile(shared.Path(t, "models", "cifar-resnet", "resnet20-12fca82f.th"))
	require.NoError(t, err)
	require.Len(t, s.Names(), 97)
	g, err := onnx.ImportFile(shared.Path(t, "models", "real-onnx", "resnet20", "resnet20.onnx"))
	require.NoError(t, err)
	vector := func(name string) []float32 {
		x, ok := s.Float32(name)
		require.True(t, ok, name)
		return x.F32()
	}
	convs, dense := 0, 0
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		switch n.Op.Kind() {
		case ops.KindConv:
			if convs++; convs > 1 {
				continue
			}
			w, gamma, variance := vector("conv1.weight"), vector("bn1.weight"), vector("bn1.running_var")
			got := n.Params[0].F32() // [16, 3, 3, 3], channels last
			for o := range 16 {
				by := float64(gamma[o]) / math.Sqrt(float64(variance[o])+1e-5)
				for k := range 27 {
					require.InDelta(t, float64(w[o*27+k%3*9+k/3])*by, got[o*27+k], 1e-5)
				}
			}
		case ops.KindDense:
			dense++
			require.Equal(t, vector("linear.weight"), n.Params[0].F32())
			require.Equal(t, vector("linear.bias"), n.Params[1].F32())
		}
	}
	require.Equal(t, 1, dense)
	require.Positive(t, convs)
}

func written(t testing.TB, all ...Named) []byte {
	t.Helper()
	b, err := Safetensors(all)
	require.NoError(t, err)
	return b
}

// TestSafetensors reads what is written, and the other types.
func TestSafetensors(t *testing.T) {
	a, b := tensor.FromF32([]float32{1, -2, 3, 4, 5, 6}, 2, 3), tensor.FromF32([]float32{7})
	s, err := Parse(written(t, Named{"a", a}, Named{"b \"x\"", b}))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b \"x\""}, s.Names())
	x, _ := s.Float32("a")
	require.Equal(t, a, x)
	x, _ = s.Float32("b \"x\"")
	require.Equal(t, b, x)

	file := func(header string, data ...byte) []byte {
		return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), data...)
	}
	s, err = Parse(file(`{"__metadata__":{"format":"pt"},"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},
		"b":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]},"d":{"dtype":"F64","shape":[],"data_offsets":[6,14]},
		"i":{"dtype":"I64","shape":[1],"data_offsets":[6,14]}}`, 0, 0x3c, 0, 0xc0, 0x40, 0x40, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f))
	require.NoError(t, err)
	require.Equal(t, []string{"h", "b", "d"}, s.Names())
	for name, want := range map[string][]float32{"h": {1, -2}, "b": {3}, "d": {.5}} {
		x, _ := s.Float32(name)
		require.Equal(t, want, x.F32(), name)
	}
	for what, f := range map[string][]byte{
		"a header of 100 bytes":   append([]byte{100, 0, 0, 0, 0, 0, 0, 0}, "{}"...),
		"header's \"a\"":          file(`{"a":[]}`),
		"of type \"F8\"":          file(`{"a":{"dtype":"F8","shape":[1],"data_offsets":[0,1]}}`, 0),
		"at bytes [0 8] of 4":     file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 0, 0, 0, 0),
		"at bytes [4 0]":          file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 0, 0, 0, 0),
		"[2] of 1 elements":       file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 0, 0, 0, 0),
		"\"a\" is there twice":    file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 0, 0, 0, 0),
		"no tensors":              file(`{}`),
		"the header: ":            file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`, 0, 0, 0, 0),
		"neither safetensors nor": []byte("GGUF"),
		"\"a\": ":                 file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 0, 0, 0, 0),
	} {
		_, err := Parse(f)
		require.ErrorIs(t, err, ErrFormat, what)
		require.ErrorContains(t, err, what)
	}
}

// TestHeaderFillsTheFile: the least file of all, whose header ends where it does.
func TestHeaderFillsTheFile(t *testing.T) {
	header := `{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`
	s, err := Parse(append([]byte{byte(len(header)), 0, 0, 0, 0, 0, 0, 0}, header...))
	require.NoError(t, err)
	require.Equal(t, []int{0}, s.Dims("a"))
	_, err = Parse(append([]byte{byte(len(header) + 1), 0, 0, 0, 0, 0, 0, 0}, header...))
	require.ErrorContains(t, err, "a header of")
	require.Zero(t, (len(written(t, Named{"a", tensor.FromF32([]float32{1})}))-4)%8, "the data is aligned")
}

// TestStrides: elements must be there, each once.
func TestStrides(t *testing.T) {
	for _, c := range []struct {
		dims, strides []int
		have          int
		ok            bool
	}{
		{[]int{2, 3}, []int{3, 1}, 6, true},
		{[]int{2, 3}, []int{3, 1}, 5, false},
		{[]int{3, 2}, []int{1, 3}, 6, true},
		{[]int{3, 2}, []int{1, 3}, 5, false},
		{[]int{2, 2}, []int{4, 2}, 7, true},
		{[]int{2, 2}, []int{4, 2}, 6, false},
		{[]int{4}, []int{0}, 1, false}, // one element as four
		{[]int{1, 4}, []int{9, 1}, 4, true},
		{[]int{0, 4}, []int{4, 1}, 0, true},
		{nil, nil, 1, true},
		{nil, nil, 0, false},
		{[]int{2, 2}, []int{-1, 1}, 4, false},
		{[]int{2, 2}, []int{math.MaxInt, 1}, 4, false},
		{[]int{3}, []int{math.MaxInt / 2}, 4, false},
		{[]int{-2}, nil, 4, false},
	} {
		s := &Set{at: map[string]stored{}}
		data := make([]byte, 4*c.have)
		for i := range c.have {
			binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(float32(i)))
		}
		err := s.add("a", stored{f32, c.dims, c.strides, data})
		require.Equal(t, c.ok, err == nil, "%v: %v", c, err)
		if !c.ok || c.strides == nil {
			continue
		}
		x, _ := s.Float32("a")
		for i, v := range x.F32() {
			at, rest := 0, i
			for d := len(c.dims) - 1; d >= 0; d-- {
				at += rest % c.dims[d] * c.strides[d]
				rest /= c.dims[d]
			}
			require.Equal(t, float32(at), v, "%v[%d]", c, i)
		}
	}
}

// TestDamaged: every file cut short anywhere, and with any byte another, is a set or an
// error.
func TestDamaged(t *testing.T) {
	for _, file := range []string{"state.pth", "protocol4.pth", "old.pth", "checkpoint.pth"} {
		b, err := os.ReadFile(filepath.Join("testdata", file))
		require.NoError(t, err)
		for i := range b {
			if _, err := Parse(b[:i]); err == nil && i < len(b)-64 {
				t.Fatalf("%s: %d bytes are enough", file, i)
			}
			c := bytes.Clone(b)
			c[i] ^= 0x55
			readable(t, c)
		}
	}
}

// readable reads b, and what is in it where it can be read.
func readable(t *testing.T, b []byte) {
	s, err := Parse(b)
	if (s == nil) == (err == nil) {
		t.Fatal("neither or both of set and error")
	}
	if err != nil {
		require.ErrorIs(t, err, ErrFormat)
		return
	}
	for _, n := range s.Names() {
		x, ok := s.Float32(n)
		require.True(t, ok)
		require.LessOrEqual(t, x.Bytes(), 2*len(b), "each element of float16 or more is in the file")
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"state.pth", "protocol4.pth", "old.pth", "checkpoint.pth", "module.pth"} {
		b, err := os.ReadFile(filepath.Join("testdata", file))
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add(written(f, Named{"a", tensor.FromF32([]float32{1, 2}, 2)}))
	f.Fuzz(readable)
}
