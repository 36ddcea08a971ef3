package quant

import (
	"encoding/binary"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// ChunkBytes is the size of a chunk before compression. A chunk is decoded
// alone, so this bounds the scratch of a decoder.
const ChunkBytes = 64 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// zstd's encoders and decoders are safe to share; making one is dear. They are
// made in functions, not in variables' initialisers, so that a program that
// only decodes holds no encoder.
var zst struct {
	encOnce, decOnce sync.Once
	enc              *zstd.Encoder
	dec              *zstd.Decoder
	encErr, decErr   error
}

func encoder() (*zstd.Encoder, error) {
	zst.encOnce.Do(func() {
		zst.enc, zst.encErr = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	})
	return zst.enc, zst.encErr
}

func decoder() (*zstd.Decoder, error) {
	zst.decOnce.Do(func() {
		zst.dec, zst.decErr = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(1<<20), zstd.IgnoreChecksum(true))
	})
	return zst.dec, zst.decErr
}

// EncodePlanes appends data, elements of size bytes, as chunks. The bytes of a
// chunk are sorted by their place in the element (all first bytes, all second
// ones, …), which puts the exponents of floats beside each other, and
// compressed with zstd. Each chunk is
//
//	u32 length of what follows the checksum, u32 CRC-32C of it, the zstd frame
func EncodePlanes(dst, data []byte, size int) ([]byte, error) {
	enc, err := encoder()
	if err != nil {
		return nil, err
	}
	plane := make([]byte, 0, ChunkBytes)
	per := ChunkBytes / size * size
	for len(data) > 0 {
		n := min(per, len(data))
		plane = plane[:n]
		split(plane, data[:n], size)
		data = data[n:]
		at := len(dst)
		dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
		dst = enc.EncodeAll(plane, dst)
		body := dst[at+8:]
		binary.LittleEndian.PutUint32(dst[at:], uint32(len(body)))
		binary.LittleEndian.PutUint32(dst[at+4:], crc32.Checksum(body, castagnoli))
	}
	return dst, nil
}

func split(dst, src []byte, size int) {
	n := len(src) / size
	for p := range size {
		for i := range n {
			dst[p*n+i] = src[i*size+p]
		}
	}
}

// DecodePlanes fills dst from what EncodePlanes wrote.
func DecodePlanes(dst, src []byte, size int) error {
	dec, err := decoder()
	if err != nil {
		return err
	}
	scratch := make([]byte, 0, ChunkBytes+16)
	per := ChunkBytes / size * size
	for chunk := 0; len(dst) > 0; chunk++ {
		if len(src) < 8 {
			return corrupt("chunk %d is missing", chunk)
		}
		n, sum := int64(binary.LittleEndian.Uint32(src)), binary.LittleEndian.Uint32(src[4:])
		src = src[8:]
		if n > int64(len(src)) {
			return corrupt("chunk %d is cut short", chunk)
		}
		if crc32.Checksum(src[:n], castagnoli) != sum {
			return corrupt("chunk %d has the wrong checksum", chunk)
		}
		want := min(per, len(dst))
		// The frame says its size before anything is allocated for it.
		var h zstd.Header
		if err := h.Decode(src[:n]); err != nil || !h.HasFCS || h.FrameContentSize != uint64(want) {
			return corrupt("chunk %d does not hold %d bytes", chunk, want)
		}
		out, err := dec.DecodeAll(src[:n], scratch[:0])
		if err != nil || len(out) != want {
			return corrupt("chunk %d: %v", chunk, err)
		}
		join(dst[:want], out, size)
		dst, src = dst[want:], src[n:]
	}
	if len(src) > 0 {
		return corrupt("%d bytes after the last chunk", len(src))
	}
	return nil
}

func join(dst, src []byte, size int) {
	n := len(dst) / size
	for p := range size {
		for i, b := range src[p*n : (p+1)*n] {
			dst[i*size+p] = b
		}
	}
}
