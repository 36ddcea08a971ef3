package format

import (
	"hash/crc32"
	goruntime "runtime"
	"sync"
)

// crcPart is the least that is worth a thread of its own.
const crcPart = 1 << 20

// touchAhead is how much is brought into the second-level cache before it is
// summed: the sum reads three streams at once, at a third of the speed of memory.
const touchAhead = 64 << 10

// checksum is the CRC-32C of b, on all threads there are.
func checksum(b []byte) uint32 {
	n := max(1, min(goruntime.GOMAXPROCS(0), len(b)/crcPart))
	sums := make([]uint32, n)
	part := func(i int) []byte { return b[len(b)/n*i : len(b)/n*i+length(len(b), n, i)] }
	var wait sync.WaitGroup
	for i := 1; i < n; i++ {
		wait.Go(func() { sums[i] = checksumPart(part(i)) })
	}
	all := checksumPart(part(0))
	wait.Wait()
	for i := 1; i < n; i++ {
		all = joinCRC(all, sums[i], len(part(i)))
	}
	return all
}

// length is that of part i of n, of which the last has the rest.
func length(all, n, i int) int {
	if i == n-1 {
		return all - all/n*i
	}
	return all / n
}

func checksumPart(b []byte) (crc uint32) {
	for len(b) > touchAhead {
		touch(b[:touchAhead])
		crc = crc32.Update(crc, castagnoli, b[:touchAhead])
		b = b[touchAhead:]
	}
	return crc32.Update(crc, castagnoli, b)
}

// touch reads a byte of every cache line.
//
//go:noinline
func touch(b []byte) (sum byte) {
	for i := 0; i < len(b); i += 64 {
		sum += b[i]
	}
	return sum
}

// joinCRC is the CRC-32C of two pieces one after the other, given that of each
// and the length of the second: the first moves up by as many zero bytes. Bits
// are coefficients of polynomials modulo Castagnoli's, the highest power last.
func joinCRC(a, b uint32, length int) uint32 {
	shift, square := uint32(1<<31), uint32(1<<23) // 1, and x to the power of 8
	for ; length > 0; length >>= 1 {
		if length&1 != 0 {
			shift = timesCRC(square, shift)
		}
		square = timesCRC(square, square)
	}
	return timesCRC(shift, a) ^ b
}

// timesCRC multiplies polynomials modulo Castagnoli's.
//
//go:noinline
func timesCRC(a, b uint32) (p uint32) {
	for m := uint32(1 << 31); m != 0; m >>= 1 {
		if a&m != 0 {
			p ^= b
		}
		low := b & 1
		b = b>>1 ^ -low&crc32.Castagnoli
	}
	return p
}
