package ops

import "github.com/teff-ml/teff/ops/internal/kern"

// taskMACs is about 1.5 µs of float32 work, below which a part is not worth
// another worker: handing it over costs half a microsecond, and half of what it
// reads and writes changes cores.
const taskMACs = 1 << 17

// taskMACsInt is the same for integers, which are multiplied four times as fast where there are products of bytes.
func taskMACsInt() int {
	if kern.SelectGemmI8().Widens() {
		return taskMACs * 3 / 2
	}
	return 4 * taskMACs
}

// depthwiseMACsInt is depthwiseMACs in integers.
func depthwiseMACsInt() int {
	if kern.SelectGemmI8().Widens() {
		return 4
	}
	return 1
}

// depthwiseMACs is how many of a product's multiply-adds take as long as one of a
// depthwise convolution.
const depthwiseMACs = 2

// byteMACs multiply-adds take as long as copying a byte.
const byteMACs = 4

// parts is how many parts work of macs multiply-adds is cut into, where task of
// them are worth a part: short work into one a thread, all alike, for each more
// costs a tenth of a microsecond; long work into more, so that a worker that
// comes late does less.
//
//go:noinline
func parts(macs, task, threads int) int {
	if threads == 1 {
		return 1
	}
	n := min(threads, macs/task)
	if many := macs / (4 * task) / threads * threads; many > n {
		n = min(many, 4*threads)
	}
	return max(1, n)
}

// alike is each of n a part, or fewer where no thread takes as many then: of ten
// in parts of two, one of two threads takes six, in parts of one, five.
func alike(n, each, threads int) int {
	best, least := each, n+each
	for ; each > 0; each-- {
		if busiest := ((n+each-1)/each + threads - 1) / threads * each; busiest < least {
			best, least = each, busiest
		}
	}
	return best
}
