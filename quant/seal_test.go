package quant

import (
	"encoding/binary"
	"hash/crc32"
)

// seal makes the checksums of every chunk that b could hold right, wherever it
// starts.
func seal(b []byte) {
	for i := 0; i+8 <= len(b); i++ {
		n := uint64(binary.LittleEndian.Uint32(b[i:]))
		if n > 0 && n <= uint64(len(b)-i-8) {
			binary.LittleEndian.PutUint32(b[i+4:], crc32.Checksum(b[i+8:][:n], castagnoli))
			i += 7 + int(n)
		}
	}
}
