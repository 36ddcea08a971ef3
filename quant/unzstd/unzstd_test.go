package unzstd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// peer decodes as klauspost's decoder does, nil where that refuses.
var peer = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20), zstd.WithDecoderMaxWindow(1<<29))
	if err != nil {
		panic(err)
	}
	return d
})

// encoders are of every level and of every option that changes what frames hold.
func encoders(t testing.TB) map[string]*zstd.Encoder {
	t.Helper()
	all := map[string]*zstd.Encoder{}
	for level := zstd.SpeedFastest; level <= zstd.SpeedBestCompression; level++ {
		for name, o := range map[string][]zstd.EOption{
			"":             nil,
			"/single":      {zstd.WithSingleSegment(true), zstd.WithEncoderCRC(false)},
			"/literals":    {zstd.WithAllLitEntropyCompression(true)},
			"/no entropy":  {zstd.WithNoEntropyCompression(true)},
			"/padding":     {zstd.WithEncoderPadding(512)},
			"/window 1 KB": {zstd.WithWindowSize(1 << 10)},
		} {
			e, err := zstd.NewWriter(nil, append([]zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(level)}, o...)...)
			require.NoError(t, err)
			all[level.String()+name] = e
		}
	}
	return all
}

// text is n bytes of a kind: even noise, noise of many or few symbols, one symbol,
// words, copies from near and far, floats' high bytes.
const kinds = 8

func text(kind, n int) []byte {
	rng := rand.New(rand.NewPCG(uint64(kind), uint64(n)))
	b := make([]byte, n)
	for i := range b {
		switch kind {
		case 0:
			b[i] = byte(rng.Uint32())
		case 1:
			b[i] = byte(int(rng.NormFloat64() * 20))
		case 2:
			b[i] = byte(int(rng.NormFloat64()))
		case 3:
			b[i] = 7
		case 4:
			b[i] = "teff is the smallest grain there is: "[(i+rng.IntN(40)/39)%37]
		case 5:
			b[i] = byte(rng.Uint32() % 60)
			if i > 5 && rng.IntN(20) > 0 {
				b[i] = b[i-1-rng.IntN(4)]
			}
		case 6: // long matches, some of them far
			b[i] = byte(rng.Uint32())
			if far := 1 << (i / 300 % 19); i >= far && rng.IntN(100) > 0 {
				b[i] = b[i-far]
			}
		case 7:
			b[i] = byte(128 - bits8(rng.Float32()))
		}
	}
	return b
}

func bits8(f float32) int {
	n := 0
	for ; f < 1 && n < 30; f *= 2 {
		n++
	}
	return n
}

var sizes = []int{0, 1, 2, 5, 31, 32, 33, 100, 255, 256, 257, 1000, 1023, 1024, 5000, 65535, 65536, 65791, 65792, 128 << 10, 128<<10 + 1, 500_000}

func TestEveryLevel(t *testing.T) {
	for name, enc := range encoders(t) {
		for _, n := range sizes {
			for kind := range kinds {
				want := text(kind, n)
				src := enc.EncodeAll(want, nil)
				if len(src) == 0 { // klauspost's encoder writes no frame for nothing
					continue
				}
				got := make([]byte, n)
				m, err := Decode(got, src)
				require.NoError(t, err, "%s, kind %d, %d bytes", name, kind, n)
				require.Equal(t, n, m)
				require.True(t, bytes.Equal(want, got), "%s, kind %d, %d bytes", name, kind, n)
			}
		}
	}
}

// TestStreams: frames that do not state their content's size, in many blocks.
func TestStreams(t *testing.T) {
	for kind := range kinds {
		var b bytes.Buffer
		e, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		require.NoError(t, err)
		want := text(kind, 400_000)
		for at := 0; at < len(want); at += 7777 {
			_, err = e.Write(want[at:min(at+7777, len(want))])
			require.NoError(t, err)
			require.NoError(t, e.Flush())
		}
		require.NoError(t, e.Close())
		got := make([]byte, len(want))
		_, err = Decode(got, b.Bytes())
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
	}
}

// TestFrames: frames follow each other, skipped ones between.
func TestFrames(t *testing.T) {
	enc := encoders(t)["default"]
	a, b := text(4, 3000), text(1, 200)
	src := enc.EncodeAll(a, nil)
	src = append(src, 0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9)
	src = enc.EncodeAll(b, src)
	got := make([]byte, len(a)+len(b))
	n, err := Decode(got, src)
	require.NoError(t, err)
	require.Equal(t, len(got), n)
	require.Equal(t, append(a, b...), got)

	_, err = Decode(got, append(src, 0))
	require.ErrorIs(t, err, ErrTruncated)
	_, err = Decode(nil, []byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0})
	require.NoError(t, err)
	_, err = Decode(nil, []byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0})
	require.ErrorIs(t, err, ErrTruncated)
}

// TestErrors: each of them says what is wrong, and where.
func TestErrors(t *testing.T) {
	enc := encoders(t)["default"]
	want := text(1, 300)
	src := enc.EncodeAll(want, nil)
	for name, c := range map[string]struct {
		dst, at int
		err     error
		change  func([]byte) []byte
	}{
		"longer":     {300 + 1, len(src), ErrSize, nil},
		"shorter":    {300 - 1, 0, ErrSize, nil},
		"none":       {0, 0, ErrSize, nil},
		"empty":      {300, 0, ErrTruncated, func(b []byte) []byte { return nil }},
		"checksum":   {300, len(src) - 4, ErrChecksum, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }},
		"magic":      {300, 0, ErrCorrupt, func(b []byte) []byte { b[0] ^= 1; return b }},
		"reserved":   {300, 0, ErrCorrupt, func(b []byte) []byte { b[4] |= 8; return b }},
		"dictionary": {300, 0, ErrDictionary, func(b []byte) []byte { b[4] |= 1; return b }},
		"cut":        {300, len(src) - 4, ErrTruncated, func(b []byte) []byte { return b[:len(b)-1] }},
		"trailing":   {300, len(src), ErrTruncated, func(b []byte) []byte { return append(b, 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(src)
			if c.change != nil {
				b = c.change(b)
			}
			_, err := Decode(make([]byte, c.dst), b)
			require.ErrorIs(t, err, c.err)
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.at, e.At)
			require.Contains(t, err.Error(), fmt.Sprintf("unzstd: at byte %d: ", c.at))
		})
	}

	d, err := zstd.NewWriter(nil, zstd.WithEncoderDictRaw(77, text(1, 1000)))
	require.NoError(t, err)
	_, err = Decode(make([]byte, 300), d.EncodeAll(want, nil))
	require.ErrorIs(t, err, ErrDictionary)
}

// TestHugeClaims: sizes that bytes claim are compared with dst, never believed.
func TestHugeClaims(t *testing.T) {
	b := binary.LittleEndian.AppendUint64([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0}, 1<<40)
	_, err := Decode(make([]byte, 10), b)
	require.ErrorIs(t, err, ErrSize)
	b = []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 0x02, 0, 0x10, 1} // one byte, 128 KiB times
	_, err = Decode(make([]byte, 10), b)
	require.ErrorIs(t, err, ErrSize)
}

// TestHostile: whatever is cut off or changed, nothing panics or allocates, and
// what has a checksum is never wrong unseen.
func TestHostile(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for name, enc := range encoders(t) {
		for kind := range kinds {
			want := text(kind, 1500)
			src := enc.EncodeAll(want, nil)
			got := make([]byte, len(want))
			for n := range src {
				_, err := Decode(got, src[:n])
				if !strings.HasSuffix(name, "/padding") { // without which the frame is whole
					require.Error(t, err, "%s, kind %d, %d bytes of %d", name, kind, n, len(src))
				}
			}
			checked := src[4]&4 != 0
			for i := range src {
				old := src[i]
				src[i] ^= 1 + byte(rng.Uint32()%255)
				if _, err := Decode(got, src); err == nil && checked && i < len(src)-4 {
					require.Equal(t, want, got, "%s, kind %d, byte %d", name, kind, i)
				}
				src[i] = old
			}
		}
	}
}

func TestAllocates(t *testing.T) {
	src := encoders(t)["default"].EncodeAll(text(1, 300_000), nil)
	dst := make([]byte, 300_000)
	require.Zero(t, testing.AllocsPerRun(5, func() {
		if _, err := Decode(dst, src); err != nil {
			t.Fatal(err)
		}
	}))
}

func TestHash(t *testing.T) {
	// The reference implementation's own figures.
	require.Equal(t, uint64(0xef46db3751d8e999), xxh64(nil))
	require.Equal(t, uint64(0xd24ec4f1a98c6e5b), xxh64([]byte("a")))
	require.Equal(t, uint64(0x44bc2cf5ad770999), xxh64([]byte("abc")))
}

// most is the most content that FuzzPeer looks at.
const most = 1 << 20

// FuzzPeer: klauspost's decoder and this one agree on what is right and on its
// content.
func FuzzPeer(f *testing.F) {
	for _, enc := range encoders(f) {
		for kind := range kinds {
			for _, n := range []int{1, 40, 300, 2000} {
				f.Add(enc.EncodeAll(text(kind, n), nil))
			}
		}
	}
	got := make([]byte, most)
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) == 0 {
			return // nothing is no frame here
		}
		want, err := peer().DecodeAll(src, nil)
		if len(want) > most {
			return
		}
		// The size is not known where klauspost's refuses, so frames are decoded
		// one by one into more than they need.
		var fr frame
		n, mine := 0, error(nil)
		for at := 0; at < len(src) && mine == nil; n += fr.at {
			fr.dst, fr.at = got[n:], 0
			var used int
			used, mine = fr.decode(src[at:])
			at += used
		}
		if err == nil {
			require.NoError(t, mine)
			require.True(t, bytes.Equal(want, got[:n]))
			n, mine = Decode(got[:n], src)
			require.NoError(t, mine)
			require.True(t, bytes.Equal(want, got[:n]))
			return
		}
		// Windows that klauspost's decoder finds too large are of no account here,
		// and it wants the weights of a Huffman code to end with a whole state.
		if mine == nil && !errors.Is(err, zstd.ErrWindowSizeExceeded) && !strings.Contains(err.Error(), "fse decompress returned: unexpected EOF") {
			t.Fatalf("klauspost's decoder alone: %v", err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	enc := encoders(b)["best/single"]
	for name, kind := range map[string]int{"noise of 40 symbols": 1, "few symbols": 2, "words": 4, "near copies": 5, "far copies": 6, "floats' exponents": 7} {
		want := text(kind, 64<<10)
		src := enc.EncodeAll(want, nil)
		dst := make([]byte, len(want))
		b.Run(name+"/own", func(b *testing.B) {
			b.SetBytes(int64(len(want)))
			for b.Loop() {
				if _, err := Decode(dst, src); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/klauspost", func(b *testing.B) {
			b.SetBytes(int64(len(want)))
			for b.Loop() {
				if _, err := peer().DecodeAll(src, dst[:0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
