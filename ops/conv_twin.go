package ops

import (
	"slices"

	"github.com/teff-ml/teff/ops/internal/cpu"
	"github.com/teff-ml/teff/ops/internal/kern"
)

var useConvTwin = true

func init() { cpu.Register("conv/twin", &useConvTwin) }

// twin takes two neighbouring outputs of a first layer of few columns as one
// row of twice the columns: it sees what either sees, each with zeros where
// only the other does. With half a vector's columns that takes fewer
// instructions, though more products. The sums are the same but for infinities
// and NaNs, which reach the neighbour: WithExact does without.
func (k *convGemm) twin(p *Prep) bool {
	shift := k.Stride[2] * k.ic // elements from one output's taps to the next's
	gemm := kern.SelectGemmF32()
	if !useConvTwin || !k.padded || p.Exact || p.Training || k.residual || k.pitch != k.oc || k.Out[2]%2 != 0 ||
		2*k.oc > gemm.Half || 5*k.kc < 4*shift || k.kc+shift > kern.MaxTap {
		return false
	}
	k.gemm, k.twinShift = p.Choice.gemm(gemm), shift
	k.window.Out[2] /= 2
	k.window.Stride[2] *= 2
	k.kc += shift
	k.rows /= 2
	both := *k.convSpec
	both.oc, both.ocg = 2*k.oc, 2*k.ocg
	k.convSpec, k.pitch = &both, 2*k.pitch
	k.bias = slices.Concat(k.bias, k.bias)
	k.group = k.gemm.PackedSize(k.ocg, k.taps*k.kc)
	return true
}

// packTwin packs the weights of both outputs; all columns are one part.
func (k *convGemm) packTwin(dst []float32, buf *packBuffer) {
	oc, own := k.ocg/2, k.kc-k.twinShift
	w := weightRows(&k.weight, 0, oc, buf)
	depth := k.taps * k.kc
	both := make([]float32, 2*oc*depth)
	for c := range oc {
		for t := range k.taps {
			from, to := w[(c*k.taps+t)*own:][:own], both[c*depth+t*k.kc:]
			copy(to, from)
			copy(to[oc*depth+k.twinShift:], from)
		}
	}
	k.gemm.Pack(dst, both, k.ocg, depth, depth)
}
