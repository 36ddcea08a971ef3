package onnx

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tests/shared"
)

func TestTypedTensors(t *testing.T) {
	f := func(v float32) uint64 { return uint64(math.Float32bits(v)) }
	neg := func(v int64) uint64 { return uint64(v) }
	for _, c := range []struct {
		name string
		msg  message
		want tensor.Tensor
	}{
		{"float", tensorBytes("t", typeFloat, []int{2}, 4, true, f(1.5), f(-2)), tensor.FromF32([]float32{1.5, -2}, 2)},
		{"int64", tensorBytes("t", typeInt64, []int{2}, 7, false, 7, neg(-9)), tensor.FromI64([]int64{7, -9}, 2)},
		{"int32", tensorBytes("t", typeInt32, []int{2}, 5, false, 7, neg(-9)), tensor.FromI32([]int32{7, -9}, 2)},
		{"int8", tensorBytes("t", typeInt8, []int{2}, 5, false, 7, neg(-9)), tensor.FromI8([]int8{7, -9}, 2)},
		{"uint8", tensorBytes("t", typeUint8, []int{1}, 5, false, 200), tensor.FromU8([]uint8{200}, 1)},
		{"bool", tensorBytes("t", typeBool, []int{2}, 5, false, 2, 0), tensor.Tensor{Spec: tensor.Spec{DType: tensor.Bool, Shape: tensor.Of(2)}, Data: []byte{1, 0}}},
		{"float16", tensorBytes("t", typeFloat16, []int{1}, 5, false, 0x3c00), tensor.Tensor{Spec: tensor.Spec{DType: tensor.F16, Shape: tensor.Of(1)}, Data: []byte{0, 0x3c}}},
		{"bfloat16", tensorBytes("t", typeBfloat16, nil, 5, false, 0x3f80), tensor.Tensor{Spec: tensor.Spec{DType: tensor.BF16}, Data: []byte{0x80, 0x3f}}},
	} {
		name, got, err := ParseTensor(c.msg)
		require.NoError(t, err, c.name)
		require.Equal(t, "t", name)
		require.Equal(t, c.want.Spec, got.Spec, c.name)
		require.Equal(t, c.want.Data, got.Data, c.name)
	}
	_, _, err := ParseTensor(tensorBytes("t", typeDouble, []int{1}, 10, false))
	var te *TypeError
	require.ErrorAs(t, err, &te)
	for _, bad := range []message{
		tensorBytes("t", typeInt64, []int{3}, 7, false, 1, 2),
		tensorBytes("t", typeInt64, []int{1}, 7, false, 1, 2),
		tensorBytes("t", typeFloat, []int{1 << 30, 1 << 30}, 4, true),
		tensorBytes("t", typeFloat, []int{1 << 20}, 4, true, 1),
	} {
		_, _, err := ParseTensor(bad)
		require.Error(t, err)
	}
}

// TestRawTensorIsNotCopied: weights that lie aligned stay where they are.
func TestRawTensorIsNotCopied(t *testing.T) {
	var m message
	m.varint(1, 4)
	m.varint(2, typeFloat)
	for (len(m)+2)%4 != 0 {
		m.str(12, "")
		if len(m)%4 == 1 {
			m.str(12, "x")
		}
	}
	file := tensor.AlignedBytes(len(m) + 2 + 16)
	copy(file, append(append(m, protowire.AppendTag(nil, 9, protowire.BytesType)...), 16))
	_, v, err := ParseTensor(file)
	require.NoError(t, err)
	file[len(file)-1] = 0x3f
	require.Equal(t, byte(0x3f), v.Data[15])
}

func TestExternalData(t *testing.T) {
	dir := t.TempDir()
	data := make([]byte, 64)
	data[16+3] = 0x40 // 2.0
	require.NoError(t, os.WriteFile(filepath.Join(dir, "w.bin"), data, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(dir), "secret.bin"), data, 0o600))
	require.NoError(t, os.Symlink("../secret.bin", filepath.Join(dir, "link.bin")))
	make := func(entries ...string) []byte {
		var m message
		m.varint(1, 1)
		m.varint(2, typeFloat)
		m.str(8, "w")
		m.varint(14, 1)
		for i := 0; i < len(entries); i += 2 {
			var e message
			e.str(1, entries[i])
			e.str(2, entries[i+1])
			m.bytes(13, e)
		}
		b := newModel(17).input("x", 1).output("y").node("Add", []string{"x", "w"}, []string{"y"}, nil)
		b.w.initial = append(b.w.initial, protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), m))
		return b.bytes()
	}
	g, err := ImportBytes(make("location", "w.bin", "offset", "16", "length", "4"), WithDir(dir))
	require.NoError(t, err)
	require.Equal(t, []float32{5}, eval(t, g, tensor.FromF32([]float32{3}, 1))[0].F32())
	for name, e := range map[string][]string{
		"no length fits":   {"location", "w.bin"},
		"beyond the end":   {"location", "w.bin", "offset", "64", "length", "4"},
		"past the end":     {"location", "w.bin", "offset", "1000", "length", "4"},
		"negative":         {"location", "w.bin", "offset", "-4", "length", "4"},
		"parent":           {"location", "../secret.bin", "offset", "0", "length", "4"},
		"absolute":         {"location", filepath.Join(dir, "w.bin"), "length", "4"},
		"link out":         {"location", "link.bin", "length", "4"},
		"empty":            {"length", "4"},
		"not there":        {"location", "v.bin", "length", "4"},
		"overflowing sum":  {"location", "w.bin", "offset", "9223372036854775807", "length", "4"},
		"overflowing size": {"location", "w.bin", "offset", "4", "length", "9223372036854775807"},
	} {
		_, err := ImportBytes(make(e...), WithDir(dir))
		require.Error(t, err, name)
	}
	_, err = ImportBytes(make("location", "w.bin", "offset", "16", "length", "4"))
	require.ErrorContains(t, err, "not read from a folder")
}

// TestHostile cuts a model at every length and flips each of its bytes: an
// error or a graph, never a panic.
func TestHostile(t *testing.T) {
	good := small(t)
	_, err := ImportBytes(good)
	require.NoError(t, err)
	for n := range good {
		_, err := ImportBytes(good[:n])
		require.Error(t, err, "cut at %d", n)
	}
	for i := range good {
		for _, x := range []byte{0xff, 0x80, 0x01} {
			bad := append([]byte(nil), good...)
			bad[i] ^= x
			_, _ = ImportBytes(bad)
		}
	}
	_, err = ImportBytes(nil)
	require.ErrorIs(t, err, ErrFormat)
	// A graph in a graph in a graph.
	deep := message{}
	for range 200 {
		var a, n, g message
		a.str(1, "then_branch")
		a.bytes(6, deep)
		n.str(4, "If")
		n.bytes(5, a)
		g.bytes(1, n)
		deep = g
	}
	var m message
	m.bytes(7, deep)
	_, err = ImportBytes(m)
	require.ErrorIs(t, err, ErrFormat)
	// Numbers without end.
	ints := newModel(17).input("x", 1).output("y").node("Relu", []string{"x"}, []string{"y"}, func(a *attrs) {
		a.add("k", attrInts, func(m *message) { m.bytes(8, make([]byte, 2*maxElements)) })
	})
	_, err = ImportBytes(ints.bytes())
	require.ErrorIs(t, err, ErrFormat)
}

func FuzzImport(f *testing.F) {
	f.Add(small(f))
	f.Add(microsoft().bytes())
	if dir := shared.Find(); dir != "" {
		files, _ := filepath.Glob(filepath.Join(dir, "conformance", "onnx", "node", "*", "model.onnx"))
		for i, name := range files {
			if b, err := os.ReadFile(name); err == nil && i%4 == 0 && len(b) < 1<<12 {
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := ImportBytes(b)
		if err == nil {
			require.NotEmpty(t, g.Outputs())
			return
		}
		var ue *UnsupportedError
		var se *ShapeError
		if !errors.Is(err, ErrFormat) && !errors.As(err, &ue) && !errors.As(err, &se) {
			require.ErrorContains(t, err, "onnx: ")
		}
	})
}
