package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// What denseStrips is for float32, denseGemmInt does where its weights are large and the zero point of its inputs the least number
// there is: of one row it reads only the weights of the other inputs. What is left to do with sums is what a product does whose
// four inputs are zero.

// stripBytesInt is the least weight that goes in strips: of smaller ones, which caches hold or deliver, panels are read faster
// where no input is at its zero point (ResNet-50's 2 MB .121 against .128 ms).
const stripBytesInt = 4_000_000

// strips puts the weights in strips, or says that there is no such way.
func (k *denseGemmInt) strips(p *Prep, x *tensor.Spec) bool {
	w, in := p.Params[0].Data, k.args.KC
	signed, least := p.Params[0].DType == tensor.I8, int32(0)
	if k.args.ASigned {
		least = -128
	}
	if _, zero := x.Quant.At(0); zero != least || k.rows > 1 || p.Training || !k.gemm.Strips() || len(w) < stripBytesInt || !k.args.Cols.Symmetric() {
		return false
	}
	parts := (k.out + kern.StripStep - 1) / kern.StripStep
	k.args.B = p.PackParts(&p.Params[0], "dense/strips/"+k.gemm.Name, kern.StripsSize(k.out, in), parts, func(dst []byte, i int, _ *packBuffer) {
		kern.PackStripsI8(dst, w, k.out, in, i*kern.StripStep, signed)
	})
	for k.chunk = kern.StripColumnsI8; k.chunk > 2*kern.StripStep && k.chunks() < 2*p.Threads; {
		k.chunk /= 2
	}
	z := byte(least)
	k.stripped, k.args.A, k.args.KC = true, []byte{z, z, z, z}, 4
	p.NeedScratch(kern.StripScratchI8(k.out, in))
	p.Path("strips/" + k.gemm.Name)
	return true
}
