package quant

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/teff-ml/teff/quant/unzstd"
)

// chunkBytes is the size of a chunk before compression. A chunk is decoded
// alone, so this bounds the scratch of a decoder.
const chunkBytes = 64 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// DecodePlanes fills dst, elements of size bytes, from what version 1.0 of the
// file format wrote as exact or compressed: chunks in which the bytes are sorted
// by their place in the element (all first bytes, all second ones, …) and
// compressed with zstd. Each chunk is
//
//	u32 length of what follows the checksum, u32 CRC-32C of it, the zstd frame
func DecodePlanes(dst, src []byte, size int) error {
	scratch := make([]byte, min(chunkBytes, len(dst)))
	per := chunkBytes / size * size
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
		if _, err := unzstd.Decode(scratch[:want], src[:n]); err != nil {
			return corrupt("chunk %d does not hold %d bytes: %w", chunk, want, err)
		}
		join(dst[:want], scratch[:want], size)
		dst, src = dst[want:], src[n:]
	}
	if len(src) > 0 {
		return corrupt("%d bytes after the last chunk", len(src))
	}
	return nil
}

//go:noinline
func join(dst, src []byte, size int) {
	n := len(dst) / size
	for p := range size {
		for i, b := range src[p*n : (p+1)*n] {
			dst[i*size+p] = b
		}
	}
}
