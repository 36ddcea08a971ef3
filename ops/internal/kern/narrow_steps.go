package kern

import (
	"math"
	"unsafe"
)

// StepLanes is how many numbers PutSteps takes at a time.
const StepLanes = 32

// Steps are those of StepLanes neighbouring numbers, and one over each.
type Steps [2 * StepLanes]float32

// Set makes s the step of number i.
func (t *Steps) Set(i int, s float32) { t[i], t[StepLanes+i] = s, 1/s }

// PutSteps writes src, a multiple of StepLanes numbers of which each is an integer of 8 bits times its step, as those integers,
// and reports whether that kept every bit. If not, dst is of no use.
func PutSteps(dst []int8, src []float32, steps *Steps) bool {
	dst = dst[:len(src)]
	if !useNarrowAVX512 && !useNarrowAVX2 {
		return putSteps(dst, src, steps)
	}
	t := narrowArgs{to: unsafe.Pointer(&dst[0]), from: &src[0], n: len(src), step: steps}
	narrowPutSteps(&t)
	return t.lost == 0
}

// putSteps is the definition of PutSteps.
func putSteps(dst []int8, src []float32, steps *Steps) bool {
	kept := true
	for i, v := range src {
		step, inverse := steps[i%StepLanes], steps[StepLanes+i%StepLanes]
		q := math.RoundToEven(float64(v * inverse))
		if !(q >= -128 && q <= 127) {
			q, kept = 0, false
		}
		dst[i] = int8(q)
		kept = kept && math.Float32bits(float32(int8(q))*step) == math.Float32bits(v)
	}
	return kept
}

const (
	// stepSample is how many numbers of a row are looked at for the least one that is not zero: the step, or a few steps.
	stepSample = 4096
	fewSteps   = 8
)

// holdsSteps says whether every row of k elements of w is integers of 8 bits times a step, which it writes to steps: 1 for a row
// of zeros.
func holdsSteps(w []float32, k int, steps []float32) bool {
	for r := range len(w) / k {
		row, least := w[r*k:][:k], float32(math.Inf(1))
		for _, v := range row[:min(k, stepSample)] {
			if v < 0 {
				v = -v
			}
			if v < least && v != 0 {
				least = v
			}
		}
		if math.IsInf(float64(least), 0) {
			least = 1
		}
		n := 1
		for n <= fewSteps && !holdsStep(row, least/float32(n)) {
			n++
		}
		if n > fewSteps {
			return false
		}
		steps[r] = least / float32(n)
	}
	return true
}

func holdsStep(row []float32, step float32) bool {
	var t Steps
	for i := range StepLanes {
		t.Set(i, step)
	}
	var from [1024]float32
	var to [1024]int8
	for len(row) > 0 {
		some := copy(from[:], row)
		whole := (some + StepLanes - 1) / StepLanes * StepLanes
		clear(from[some:whole])
		if !PutSteps(to[:whole], from[:whole], &t) {
			return false
		}
		row = row[some:]
	}
	return true
}
