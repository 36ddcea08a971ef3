package ops

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// A single row of bytes with large weights leaves out the inputs at their zero point, where that is the least number and weights
// have no zero points that the kernel cannot drop, and gives the reference's bytes.
func TestDenseZerosInt(t *testing.T) {
	const in, out = 3003, 1340
	cputest.ForEachPath(t, "strips/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for i, d := range []tensor.DType{tensor.I8, tensor.U8} {
			for _, zero := range []int{-128 + 128*i, 40, 127 + 128*i} {
				for _, zw := range [][]int{{0}, {128, 31}}[i] {
					x := randInt8(r, d, tensor.Affine(0.1, zero), 1, in)
					for i := range x.Data {
						if i%9 < 5 {
							x.Data[i] = byte(zero)
						}
					}
					w := randInt8(r, d, tensor.Affine(0.01, zw), out, in)
					b := tensor.New(tensor.Spec{DType: tensor.I32, Shape: tensor.Of(out)})
					for i := range b.I32() {
						b.I32()[i] = int32(r.IntN(1<<16) - 1<<15)
					}
					op := &Dense{Out: QuantOut(d, 7, 5), Act: Relu}
					samePaths(t, op, []tensor.Tensor{x}, []tensor.Tensor{w, b})
					samePaths(t, op, []tensor.Tensor{x}, []tensor.Tensor{w})

					p := &Prep{In: []tensor.Spec{x.Spec}, Params: []tensor.Tensor{w}, Threads: 16}
					var err error
					p.Out, err = op.Infer(p.In, Specs(p.Params))
					require.NoError(t, err)
					_, err = op.Prepare(p)
					require.NoError(t, err)
					if kern.SelectGemmI8().Strips() && zw != 31 && zero == -128+128*i {
						require.Regexp(t, "^strips/", p.Requests().Path, fmt.Sprint(d, zero, zw))
					} else {
						require.Regexp(t, "^gemm/", p.Requests().Path, fmt.Sprint(d, zero, zw))
					}
				}
			}
		}
	})
}
