package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant"
)

// ramp is n values of a smooth, bounded, aperiodic kind.
func ramp(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.Sin(float64(i)*0.7) * (1 + 0.1*float64(i%5)))
	}
	return v
}

// network is small and has what files have: quantised tensors and plain ones,
// attributes of every kind, a weight used twice, a constant of integers.
func network(t testing.TB) *graph.Graph {
	t.Helper()
	b := graph.NewBuilder("small")
	x := b.Input("x", tensor.F32Spec(1, 6, 6, 3), true)
	w := tensor.FromF32(ramp(4*3*3*3), 4, 3, 3, 3)
	c := b.Add("conv", &ops.Conv{Window: ops.Window{Stride: []int{2, 2}, PadLo: []int{1, 1}, PadHi: []int{1, 1}}, Act: ops.Act{Fn: ops.UnaryRelu}},
		[]tensor.Tensor{w, tensor.FromF32(ramp(4), 4)}, x)
	r := b.Add("leaky", &ops.Unary{Fn: ops.UnaryLeakyRelu, A: 0.25}, nil, c)
	s := b.Add("sum", &ops.Binary{Fn: ops.BinaryAdd}, nil, c, r)
	p := b.Add("pool", &ops.GlobalPool{Fn: ops.PoolAvg}, nil, s)
	f := b.Add("flat", &ops.Reshape{Dims: []int{0, -1}}, nil, p)
	d := tensor.FromF32(ramp(8), 2, 4)
	y := b.Add("fc", &ops.Dense{}, []tensor.Tensor{d}, f)
	z := b.Add("again", &ops.Dense{}, []tensor.Tensor{d}, f)
	i := b.Const("labels", tensor.FromI64([]int64{3, -1}, 2))

	q := tensor.FromI8([]int8{-7, 3, 0, 127, -127, 9}, 2, 3)
	q.Quant = tensor.Quant{Scale: []float32{0.5, 0.25}, Zero: []int32{0, 0}, Axis: 0}
	k := b.Const("quantised", q)
	b.Output("y", y)
	b.Output("z", z)
	b.Output("labels", i)
	b.Output("quantised", k)
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

func options() *WriteOptions {
	return &WriteOptions{
		Metadata: &Metadata{
			Labels: []string{"cat", "dog", "straße"}, Source: "test", Description: "a small network",
			Preprocess: &Preprocess{Width: 6, Height: 6, Resize: 8, Mode: "bilinear", Scale: 1. / 255, Mean: []float32{.5, .4, .3}, Std: []float32{1, 2, 3}, Order: "bgr", Layout: "nchw"},
			Extra:      map[string]string{"licence": "Apache-2.0", "": "empty"},
		},
		Golden: &Golden{
			Inputs:    []tensor.Tensor{tensor.FromF32(ramp(108), 1, 6, 6, 3)},
			Outputs:   []tensor.Tensor{tensor.FromF32(ramp(2), 1, 2), tensor.FromI64([]int64{3, -1}, 2)},
			Tolerance: 1e-4,
		},
	}
}

// equal compares graphs down to the bytes of the weights.
func equal(t *testing.T, want, got *graph.Graph) {
	t.Helper()
	require.Equal(t, want.String(), got.String())
	require.Equal(t, want.Outputs(), got.Outputs())
	require.Equal(t, want.Inputs(), got.Inputs())
	require.Equal(t, want.Len(), got.Len())
	for i := range want.Len() {
		a, b := want.Node(graph.ID(i)), got.Node(graph.ID(i))
		require.Equal(t, a.Op, b.Op, a.Name)
		require.Len(t, b.Params, len(a.Params))
		for j := range a.Params {
			require.True(t, a.Params[j].Spec.Equal(b.Params[j].Spec), "%s.%d: %v is %v", a.Name, j, a.Params[j].Spec, b.Params[j].Spec)
			require.Equal(t, a.Params[j].Data, b.Params[j].Data, "%s.%d", a.Name, j)
		}
	}
}

// marshal is the small network as a file.
func marshal(t testing.TB, o *WriteOptions) []byte {
	t.Helper()
	b, err := Marshal(network(t), o)
	require.NoError(t, err)
	return b
}

func TestRoundTrip(t *testing.T) {
	g, o := network(t), options()
	b := marshal(t, o)
	again := marshal(t, o)
	require.Equal(t, b, again, "the same graph gives other bytes")
	path := filepath.Join(t.TempDir(), "x.teff")
	require.NoError(t, WriteFile(path, g, o))
	for _, way := range []struct {
		name string
		open func() (*File, error)
	}{
		{"parse", func() (*File, error) { return Parse(b) }},
		{"unaligned", func() (*File, error) { return Parse(append([]byte{0}, b...)[1:]) }},
		{"read", func() (*File, error) { return Read(bytes.NewReader(b)) }},
		{"read slowly", func() (*File, error) { return Read(iotest.OneByteReader(bytes.NewReader(b))) }},
		{"open", func() (*File, error) { return Open(path) }},
	} {
		t.Run(way.name, func(t *testing.T) {
			f, err := way.open()
			require.NoError(t, err)
			defer f.Close()
			equal(t, g, f.Graph)
			require.Equal(t, o.Metadata, f.Metadata)
			require.Equal(t, o.Golden, f.Golden)
			require.NoError(t, f.Check())
			require.Equal(t, len(b), f.Size)
			require.Len(t, f.Sections, 4)
			require.Len(t, f.Weights, 6)
			require.NoError(t, f.Close())
			require.NoError(t, f.Close())
		})
	}
}

// TestLayout: what SPEC.md promises about places, and that weights are used
// where they lie.
func TestLayout(t *testing.T) {
	b := marshal(t, options())
	for _, s := range must(Parse(b)).Sections {
		align := 8
		if s.Kind == SectionWeights {
			align = weightAlign
		}
		require.Zero(t, s.Offset%align, s.Name)
	}
	require.Less(t, len(b), 2500, "a small file is mostly padding")
	copied := tensor.AlignedBytes(len(b))
	copy(copied, b)
	f := must(Parse(copied))
	at := f.Sections[len(f.Sections)-1].Offset
	d := f.Graph.Node(6).Params[0]
	_, inFile := tensor.Within(copied[at:], d.Data)
	require.True(t, inFile, "raw weights are copied")
	_, same := tensor.Within(d.Data, f.Graph.Node(7).Params[0].Data)
	require.True(t, same, "a weight used twice is there twice")
}

func must(f *File, err error) *File {
	if err != nil {
		panic(err)
	}
	return f
}

func TestEncodings(t *testing.T) {
	b := graph.NewBuilder("")
	x := b.Input("x", tensor.F32Spec(1, 300), true)
	w := tensor.FromF32(ramp(300*300), 300, 300) // several chunks; raw, the weights take whole pages
	b.Output("y", b.Add("fc", &ops.Dense{}, []tensor.Tensor{w}, x))
	g, err := b.Build()
	require.NoError(t, err)
	for _, c := range []struct {
		choice Choice
		eps    float64 // largest difference
		bytes  int     // largest size
	}{
		{Choice{Encoding: Raw}, 0, 360000},
		{Choice{Encoding: Coded}, 0, 330000},
		{Choice{Encoding: F16}, 1e-3, 270000},
		{Choice{Encoding: F16Coded}, 1e-3, 170000},
		{Choice{Encoding: BF16}, 8e-3, 270000},
		{Choice{Encoding: IntCoded, Bits: 8}, 8e-3, 90700},
		{Choice{Encoding: IntCoded, Bits: 4, Group: 32}, .3, 51000},
		{Choice{Encoding: IntCoded, Bits: 2, Group: 50}, 1.2, 27000},
		{Choice{Encoding: Palette, Bits: 8}, .02, 91000},
		{Choice{Encoding: Palette, Bits: 4, Group: 9000}, .2, 46000},
		{Choice{Encoding: Sparse, Keep: .25, Inner: F16Coded}, 1.1, 56000},
		{Choice{Encoding: Sparse, Keep: .25, Inner: IntCoded, Bits: 4}, 1.1, 24000},
		{Choice{Encoding: Sparse, Keep: .25, Inner: Palette, Bits: 3}, 1.1, 21000},
	} {
		file, err := Marshal(g, &WriteOptions{Encode: func(*graph.Graph, graph.ID, int) Choice { return c.choice }})
		require.NoError(t, err)
		f, err := Parse(file)
		require.NoError(t, err, c.choice)
		if s := f.Sections[1]; s.Length >= pageFrom {
			require.Zero(t, s.Offset%pageSize)
		}
		require.LessOrEqual(t, f.Weights[0].Bytes, c.bytes, c.choice)
		require.Equal(t, c.choice.Encoding, f.Weights[0].Encoding)
		for i, v := range f.Graph.Node(1).Params[0].F32() {
			if d := math.Abs(float64(w.F32()[i]) - float64(v)); d > c.eps {
				t.Fatalf("%v: %v at %d is %v", c.choice, w.F32()[i], i, v)
			}
		}
	}
	_, err = Marshal(network(t), &WriteOptions{Encode: func(*graph.Graph, graph.ID, int) Choice { return Choice{Encoding: F16} }})
	require.ErrorContains(t, err, "f16")
}

// TestNothingUnreadable: what a reader would refuse is not written.
func TestNothingUnreadable(t *testing.T) {
	b := graph.NewBuilder("zeros")
	b.Output("y", b.Const("c", tensor.New(tensor.F32Spec(9<<20+1))))
	zeros, err := b.Build()
	require.NoError(t, err)
	coded := func(*graph.Graph, graph.ID, int) Choice { return Choice{Encoding: Coded} }
	_, err = Marshal(zeros, &WriteOptions{Encode: coded})
	require.ErrorContains(t, err, "store more of them raw")
	for _, o := range []*WriteOptions{
		{Metadata: &Metadata{Description: string(make([]byte, maxMeta))}},
		{Golden: &Golden{Inputs: make([]tensor.Tensor, maxGolden+1)}},
		{Golden: &Golden{Outputs: make([]tensor.Tensor, maxGolden+1)}},
	} {
		_, err := Marshal(network(t), o)
		require.ErrorContains(t, err, "at most")
	}
}

func TestWriteFileKeepsWhatWasThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.teff")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o644))
	bad := &WriteOptions{Encode: func(*graph.Graph, graph.ID, int) Choice { return Choice{Encoding: 200} }}
	require.Error(t, WriteFile(path, network(t), bad))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "old", string(b))
	require.NoError(t, WriteFile(path, network(t), nil))
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, list, 1, "a temporary file is left")
	require.Error(t, WriteFile(filepath.Join(dir, "none", "x.teff"), network(t), nil))
}

// TestUnknownSections: optional ones are skipped, required ones refused.
func TestUnknownSections(t *testing.T) {
	b := marshal(t, options())
	for i, s := range must(Parse(b)).Sections {
		if s.Kind == SectionGolden {
			binary.LittleEndian.PutUint32(b[headerSize+i*entrySize:], 77)
			seal(b)
			f, err := Parse(b)
			require.NoError(t, err)
			require.Nil(t, f.Golden)
			require.Equal(t, "section 77", f.Sections[i].Name)
			b[headerSize+i*entrySize+4] = 1
			seal(b)
			_, err = Parse(b)
			var u *UnsupportedError
			require.ErrorAs(t, err, &u)
		}
	}
}

func TestVersions(t *testing.T) {
	b := marshal(t, nil)
	binary.LittleEndian.PutUint16(b[10:], 9)
	seal(b)
	_, err := Parse(b)
	require.NoError(t, err, "a later minor version")
	binary.LittleEndian.PutUint16(b[8:], 2)
	seal(b)
	_, err = Parse(b)
	require.ErrorIs(t, err, ErrVersion)
	_, err = Parse([]byte("PK\x03\x04 something else"))
	require.ErrorIs(t, err, ErrMagic)
	_, err = Read(io.MultiReader(bytes.NewReader(marshal(t, nil)), bytes.NewReader([]byte{0})))
	require.Error(t, err, "bytes after the file")
	_, err = Read(iotest.ErrReader(errors.New("disk")))
	require.ErrorContains(t, err, "disk")
}

// TestGoldenEncodings: every encoding of version 1.0, and of 1.1, gives the values
// that its first reader gave. The files are never written again.
func TestGoldenEncodings(t *testing.T) {
	for name, list := range map[string][]Encoding{
		"v1-encodings":   {zstdExact, zstdF16, zstdInt, zstdInt, F16, BF16, Raw},
		"v1.1-encodings": {Coded, F16Coded, IntCoded, IntCoded, Palette, Sparse, Sparse, Coded},
	} {
		f, err := Open(filepath.Join("testdata", name+".teff"))
		require.NoError(t, err, name)
		defer f.Close()
		require.NoError(t, f.Check())
		raw, err := Open(filepath.Join("testdata", name+"-raw.teff"))
		require.NoError(t, err)
		defer raw.Close()
		equal(t, raw.Graph, f.Graph)
		require.Len(t, f.Weights, len(list))
		for i, w := range f.Weights {
			require.Equal(t, list[i], w.Encoding)
			require.Equal(t, Raw, raw.Weights[i].Encoding)
		}
	}
}

// TestCorruptChunk: the checksum of a chunk finds what changed, and the tensor is
// named.
func TestCorruptChunk(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "v1.1-encodings.teff"))
	require.NoError(t, err)
	f := must(Parse(bytes.Clone(b)))
	at := f.Sections[len(f.Sections)-1].Offset
	for i, w := range f.Weights[:7] {
		c := bytes.Clone(b)
		c[at+w.Bytes-1] ^= 1
		seal(c)
		_, err := Parse(c)
		var fe *FormatError
		require.ErrorAs(t, err, &fe, i)
		require.ErrorIs(t, err, quant.ErrCorrupt)
		require.ErrorContains(t, err, w.Name)
		at += w.Bytes
	}
}

// TestParallel: many large tensors come back whatever the number of threads.
func TestParallel(t *testing.T) {
	b := graph.NewBuilder("")
	x := b.Input("x", tensor.F32Spec(1, 300), true)
	for i := range 4 {
		x = b.Add("", &ops.Dense{}, []tensor.Tensor{tensor.FromF32(ramp(300*300 + i)[i:], 300, 300)}, x)
	}
	b.Output("y", x)
	g, err := b.Build()
	require.NoError(t, err)
	file, err := Marshal(g, &WriteOptions{Encode: func(*graph.Graph, graph.ID, int) Choice { return Choice{Encoding: Coded} }})
	require.NoError(t, err)
	for _, n := range []int{1, 2, 7} {
		old := runtime.GOMAXPROCS(n)
		f, err := Parse(file)
		runtime.GOMAXPROCS(old)
		require.NoError(t, err)
		equal(t, g, f.Graph)
	}
}

// TestGoldenFile: a file that was ever good stays readable. v1.teff was written
// by version 1.0 from network and options; it is never written again.
func TestGoldenFile(t *testing.T) {
	f, err := Open(filepath.Join("testdata", "v1.teff"))
	require.NoError(t, err)
	defer f.Close()
	equal(t, network(t), f.Graph)
	require.Equal(t, options().Metadata, f.Metadata)
	require.Equal(t, options().Golden, f.Golden)
	require.NoError(t, f.Check())
}

// TestOpenManyTimes: what is opened and closed leaves nothing behind.
func TestOpenManyTimes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.teff")
	require.NoError(t, WriteFile(path, network(t), options()))
	round := func(n int) (heap uint64, maps int) {
		for range n {
			f, err := Open(path)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if b, err := os.ReadFile("/proc/self/maps"); err == nil {
			maps = bytes.Count(b, []byte("x.teff"))
		}
		return m.HeapAlloc, maps
	}
	before, _ := round(20)
	after, maps := round(1000)
	require.Zero(t, maps, "maps are left")
	require.Less(t, after, before+256<<10)
}
