package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// typed reports whether err is one a caller can tell.
func typed(err error) bool {
	var f *FormatError
	var u *UnsupportedError
	for _, e := range []error{ErrMagic, ErrVersion, ErrTruncated, ErrChecksum} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.As(err, &f) || errors.As(err, &u)
}

// seal makes the checksums of b right again where that is possible, so that a
// change reaches the code behind them.
func seal(b []byte) {
	if len(b) < headerSize {
		return
	}
	le := binary.LittleEndian
	at, size := le.Uint64(b[24:]), uint64(le.Uint32(b[32:]))
	if at <= uint64(len(b)) && size <= uint64(len(b))-at {
		toc := b[at:][:size]
		for e := toc; len(e) >= entrySize; e = e[entrySize:] {
			from, n := le.Uint64(e[8:]), le.Uint64(e[16:])
			if from <= uint64(len(b)) && n <= uint64(len(b))-from {
				le.PutUint32(e[24:], crc32.Checksum(b[from:from+n], castagnoli))
			}
		}
		le.PutUint32(b[40:], crc32.Checksum(toc, castagnoli))
	}
	le.PutUint32(b[headerSize-4:], crc32.Checksum(b[:headerSize-4], castagnoli))
}

func TestTruncated(t *testing.T) {
	b := marshal(t, options())
	for n := range b {
		_, err := Parse(b[:n])
		require.True(t, typed(err), "%d bytes: %v", n, err)
		if n > 0 {
			require.ErrorIs(t, err, ErrTruncated, "%d bytes", n)
		}
		if n < 200 || n%97 == 0 {
			_, err = Read(bytes.NewReader(b[:n]))
			require.True(t, typed(err), "%d bytes of a stream: %v", n, err)
		}
	}
}

// TestEveryBit: no bit of a file can change unseen, padding included.
func TestEveryBit(t *testing.T) {
	b := marshal(t, options())
	for i := range 8 * len(b) {
		b[i/8] ^= 1 << (i % 8)
		_, err := Parse(b)
		require.True(t, typed(err), "bit %d of byte %d: %v", i%8, i/8, err)
		b[i/8] ^= 1 << (i % 8)
	}
	_, err := Parse(b)
	require.NoError(t, err)
}

// TestEveryByteSealed changes bytes behind checksums that are right.
func TestEveryByteSealed(t *testing.T) {
	good := marshal(t, options())
	weights := must(Parse(good)).Sections[3].Offset
	for i := range weights {
		for _, x := range []byte{0x00, 0x01, 0x7f, 0x80, 0xff} {
			b := bytes.Clone(good)
			b[i] = x
			seal(b)
			if f, err := Parse(b); err != nil {
				require.True(t, typed(err), "byte %d is %#x: %v", i, x, err)
			} else {
				require.NotNil(t, f.Graph)
			}
		}
	}
}

// build is a file of one graph section and its weights, sealed.
func build(g, weights []byte) []byte {
	le := binary.LittleEndian
	b := make([]byte, headerSize+2*entrySize)
	copy(b, Magic)
	le.PutUint16(b[8:], Major)
	le.PutUint64(b[24:], headerSize)
	le.PutUint32(b[32:], 2*entrySize)
	le.PutUint32(b[36:], 2)
	for i, s := range [][]byte{g, weights} {
		for len(b)%64 != 0 {
			b = append(b, 0)
		}
		e := b[headerSize+i*entrySize:]
		le.PutUint32(e, uint32(SectionGraph+i))
		le.PutUint32(e[4:], 1)
		le.PutUint64(e[8:], uint64(len(b)))
		le.PutUint64(e[16:], uint64(len(s)))
		b = append(b, s...)
	}
	le.PutUint64(b[16:], uint64(len(b)))
	seal(b)
	return b
}

// allocated is what f allocates, in bytes.
func allocated(f func()) uint64 {
	var a, b runtime.MemStats
	runtime.ReadMemStats(&a)
	f()
	runtime.ReadMemStats(&b)
	return b.TotalAlloc - a.TotalAlloc
}

// bound is what opening a hostile file of n bytes may allocate.
func bound(n int) uint64 { return uint64(2*n + 64<<20) }

// TestCounts: counts that nothing stands behind, and many parts that are small
// in the file and large in memory.
func TestCounts(t *testing.T) {
	head := func(nodes uint64) *enc {
		e := &enc{}
		e.string("")
		e.uint(1)
		e.uint(nodes)
		return e
	}
	constant := func(e *enc, params int) {
		e.uint(uint64(ops.KindConstant))
		e.string("")
		e.uint(0) // inputs
		e.uint(0) // attributes
		e.uint(uint64(params))
	}
	huge := []uint64{1 << 20, 1 << 31, 1 << 40, 1<<63 - 1, 1<<64 - 1}
	files := map[string][]byte{}
	for _, n := range huge {
		e := head(n)
		files["nodes "+string(rune('a'+len(files)))] = build(e.b, nil)
		e = head(1)
		e.uint(uint64(ops.KindConstant))
		e.uint(n)
		files["name "+string(rune('a'+len(files)))] = build(e.b, nil)
		e = head(1)
		e.uint(uint64(ops.KindConstant))
		e.string("")
		e.uint(n)
		files["inputs "+string(rune('a'+len(files)))] = build(e.b, nil)
		e = head(1)
		constant(e, 0)
		e.b = binary.AppendUvarint(e.b[:len(e.b)-1], n)
		files["params "+string(rune('a'+len(files)))] = build(e.b, nil)
		e = head(1)
		constant(e, 1)
		e.b = append(e.b, byte(tensor.F32), 2)
		e.uint(n)
		e.uint(n)
		e.b = append(e.b, make([]byte, 64)...)
		files["extents "+string(rune('a'+len(files)))] = build(e.b, nil)
	}
	// Numbers that an int of 32 bits would cut down to fine ones.
	one := func(batch, extent uint64, zero int64) []byte {
		e := &enc{}
		e.string("")
		e.uint(batch)
		e.uint(1)
		constant(e, 1)
		e.b = append(e.b, byte(tensor.I8), 1)
		e.uint(extent)
		e.uint(1) // scales
		e.uint(0) // axis
		e.float(1)
		e.b = binary.AppendVarint(append(e.b, 1), zero)
		e.uint(uint64(Raw))
		e.uint(0)
		e.uint(4)
		e.uint(1)
		e.string("y")
		e.uint(0)
		return build(e.b, make([]byte, 4))
	}
	cast := func(to int) []byte {
		e := head(2)
		constant(e, 1)
		e.spec(tensor.F32Spec(1))
		e.b = append(e.b, byte(Raw), 0, 4)
		e.uint(uint64(ops.KindCast))
		e.b = append(e.b, 0, 1, 1, 1, 0) // no name; one input, a node back; one attribute, at place 0
		e.int(to)
		e.uint(0) // parameters
		e.uint(1)
		e.string("y")
		e.uint(1)
		return build(e.b, make([]byte, 4))
	}
	_, err := Parse(one(1<<20, 4, 127))
	require.NoError(t, err)
	_, err = Parse(cast(int(tensor.I32)))
	require.NoError(t, err)
	files["enumeration"] = cast(256 + int(tensor.I32))
	for i, b := range [][]byte{one(1<<20+1, 4, 0), one(1<<32+1, 4, 0), one(1, 1<<31+4, 0), one(1, 1<<32+4, 0), one(1, 1<<40+4, 0), one(1, 4, 1<<32), one(1, 4, 1<<40)} {
		files["wraps "+string(rune('a'+i))] = b
	}
	const many = 3 << 20
	e := head(many / 5)
	for range many / 5 {
		constant(e, 0)
	}
	files["many nodes"] = build(e.b, nil)
	e = head(1)
	constant(e, many/6)
	for range many / 6 {
		e.b = append(e.b, byte(tensor.U8), 1, 0, 0, 0, 0, 0)
	}
	files["many params"] = build(e.b, nil)
	e = head(1)
	e.uint(uint64(ops.KindInput))
	e.string("")
	e.uint(0)
	e.uint(1)
	e.uint(3)
	e.uint(many)
	e.b = append(e.b, make([]byte, many)...)
	files["many numbers"] = build(e.b, nil)
	e = head(1)
	e.uint(uint64(ops.KindIdentity))
	e.string("")
	e.uint(many)
	e.b = append(e.b, make([]byte, many)...)
	files["many inputs"] = build(e.b, nil)
	for name, b := range files {
		var err error
		n := allocated(func() { _, err = Parse(b) })
		require.True(t, typed(err), "%s: %v", name, err)
		require.LessOrEqual(t, n, bound(len(b)), name)
	}
}

// TestBombs: little data that claims to be much.
func TestBombs(t *testing.T) {
	enc, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
	require.NoError(t, err)
	chunk := func(n int) []byte {
		body := enc.EncodeAll(make([]byte, n), nil)
		b := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(body, castagnoli))
		return append(b, body...)
	}
	// Each of many parameters is the same data under another shape.
	file := func(data []byte, elems, params int) []byte {
		e := &coder{}
		e.string("")
		e.uint(1)
		e.uint(uint64(params))
		for i := range params {
			e.uint(uint64(ops.KindConstant))
			e.string("")
			e.uint(0)
			e.uint(0)
			e.uint(1)
			e.b = append(e.b, byte(tensor.U8), 2)
			e.uint(uint64(elems >> (i % 16)))
			e.uint(uint64(1 << (i % 16)))
			e.uint(0)
			e.uint(uint64(zstdExact))
			e.uint(0)
			e.uint(uint64(len(data)))
		}
		e.uint(1)
		e.string("")
		e.uint(0)
		return build(e.b, data)
	}
	var zeros []byte
	for range 64 { // 4 MiB
		zeros = append(zeros, chunk(64<<10)...)
	}
	ok := file(zeros, 4<<20, 1)
	_, err = Parse(ok)
	require.NoError(t, err)
	for name, b := range map[string][]byte{
		"one large chunk":  file(chunk(32<<20), 32<<20, 1),
		"chunk too large":  file(chunk(1<<20), 64<<10, 1),
		"chunk too small":  file(chunk(100), 64<<10, 1),
		"data many times":  file(zeros, 4<<20, 16),
		"nothing at all":   file(nil, 16<<20, 1),
		"claims gigabytes": file(zeros, 1<<30, 1),
	} {
		var err error
		n := allocated(func() { _, err = Parse(b) })
		require.True(t, typed(err), "%s: %v", name, err)
		require.LessOrEqual(t, n, bound(len(b)), name)
	}
	// A stream's header is not believed either.
	b := bytes.Clone(ok[:headerSize])
	binary.LittleEndian.PutUint64(b[16:], 1<<30)
	seal(b)
	n := allocated(func() { _, err = Read(bytes.NewReader(b)) })
	require.ErrorIs(t, err, ErrTruncated)
	require.LessOrEqual(t, n, bound(len(b)))
}

type coder = enc // enc is a zstd encoder above

// TestLayoutAttacks: sections that overlap, hide bytes or lie outside.
func TestLayoutAttacks(t *testing.T) {
	good := marshal(t, options())
	le := binary.LittleEndian
	for name, change := range map[string]func(b []byte){
		"section over the header":   func(b []byte) { le.PutUint64(b[headerSize+8:], 0) },
		"section over the contents": func(b []byte) { le.PutUint64(b[headerSize+8:], headerSize+8) },
		"section outside":           func(b []byte) { le.PutUint64(b[headerSize+8:], 1<<62) },
		"section too long":          func(b []byte) { le.PutUint64(b[headerSize+16:], 1<<63) },
		"same kind twice":           func(b []byte) { copy(b[headerSize+entrySize:][:4], b[headerSize:][:4]) },
		"contents outside":          func(b []byte) { le.PutUint64(b[24:], 1<<63) },
		"too many sections":         func(b []byte) { le.PutUint32(b[36:], 1<<30); le.PutUint32(b[32:], 0) },
		"bytes in the padding":      func(b []byte) { b[must(Parse(good)).Sections[3].Offset-1] = 1 },
		"no graph":                  func(b []byte) { le.PutUint32(b[headerSize:], 99); b[headerSize+4] = 0 },
	} {
		b := bytes.Clone(good)
		change(b)
		seal(b)
		_, err := Parse(b)
		var f *FormatError
		require.ErrorAs(t, err, &f, name)
	}
}

func FuzzParse(f *testing.F) {
	for _, o := range []*WriteOptions{nil, options(), {Encode: func(g *graph.Graph, id graph.ID, param int) Choice {
		if g.Node(id).Params[param].DType != tensor.F32 {
			return Choice{Encoding: Coded}
		}
		return []Choice{{Encoding: F16}, {Encoding: BF16}, {Encoding: Coded}, {Encoding: F16Coded}, {Encoding: IntCoded, Bits: 3},
			{Encoding: Palette, Bits: 2}, {Encoding: Sparse, Keep: .3, Inner: F16Coded}}[(int(id)+param)%7]
	}}} {
		f.Add(marshal(f, o))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for range 2 { // as it is, then with checksums that are right
			file, err := Parse(b)
			if err != nil && !typed(err) {
				t.Fatalf("untyped error: %v", err)
			}
			if err == nil {
				again, err := Marshal(file.Graph, &WriteOptions{Metadata: file.Metadata, Golden: file.Golden})
				if err != nil {
					t.Fatal(err)
				}
				if f, err := Parse(again); err != nil || f.Graph.String() != file.Graph.String() {
					t.Fatalf("what was read cannot be written and read: %v", err)
				}
			}
			b = bytes.Clone(b)
			seal(b)
		}
	})
}
