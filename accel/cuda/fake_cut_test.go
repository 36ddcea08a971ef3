package cuda

import (
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

// fakeSum is the sum of the terms from..to of a convolution's output, whose sizes are
// v: a term is a channel of a tap of one of the weights' parts.
func fakeSum(x, w []float32, v []int, parts, row, o, from, to int) (sum float64) {
	h, wd, c, oh, ow, oc, kh, kw := v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]
	cg, og := c/v[15], oc/v[15]
	n, i, j := row/(oh*ow), row/ow%oh, row%ow
	for at := from; at < to; at++ {
		t := at / cg % (kh * kw)
		p, q := i*v[9]+t/kw*v[11]-v[13], j*v[10]+t%kw*v[12]-v[14]
		if p < 0 || p >= h || q < 0 || q >= wd {
			continue
		}
		sum += float64(x[((n*h+p)*wd+q)*c+o/og*cg+at%cg]) * float64(w[o*parts*kh*kw*cg+at])
	}
	return sum
}

// fakeStretches is the sums of each stretch of so many terms, and wants a grid of as
// many stretches as there are.
func fakeStretches(a *fakeArgs, x, w, y []float32, v []int, parts, terms int) {
	rows, oc, all := v[0]*v[4]*v[5], v[6], parts*v[7]*v[8]*v[3]
	if want := [3]int{(rows + 63) / 64, (oc + 63) / 64, (all + terms - 1) / terms}; a.grid != want {
		panic(fmt.Sprintf("grid %v, want %v", a.grid, want))
	}
	for s := range a.grid[2] {
		for row := range rows {
			for o := range oc {
				y[(s*rows+row)*oc+o] = float32(fakeSum(x, w, v, parts, row, o, s*terms, min((s+1)*terms, all)))
			}
		}
	}
}

// fakeCut: parameters are the sizes of a window of one group, parts, deep.
func fakeCut(a *fakeArgs) {
	v := append(a.ints(3, 15), 1)
	p := a.ints(18, 2)
	bytes := map[string]int{"f16": 2, "bf16": 2, "tf32": 4}[a.words[1]]
	fakeStretches(a, a.ptr(0), a.ptr(1), a.ptr(2), v, p[0], 64/bytes*p[1])
}

// joinElement is what act says of a join's residual and result.
func (a *fakeArgs) joinElement(i int) string {
	act := a.ints(8, 1)[0]
	switch {
	case a.words[1] == "f32" && i == 3 && act&storesHalf != 0:
		return "f16"
	case a.words[1] == "f32" && i == 3 && act&storesBfloat != 0:
		return "bf16"
	case a.words[1] != "f32" && (i == 3 && act&storesFloat != 0 || i == 2 && act&addsFloat != 0):
		return "f32"
	}
	return a.words[1]
}

// fakeJoin: parameters are the sums, bias, residual, result, n, C, stretches, pitch, act.
func fakeJoin(a *fakeArgs) {
	sums, bias, res, y, v := a.ptr(0), a.ptr(1), a.ptr(2), a.ptr(3), a.ints(4, 4)
	for e := range a.covers(v[0]) {
		s := 0.0
		for p := range v[2] {
			s += float64(sums[p*v[0]+e])
		}
		if bias != nil {
			s += float64(bias[e%v[1]])
		}
		if res != nil {
			s += float64(res[e])
		}
		y[e/v[1]*v[3]+e%v[1]] = a.clamp(8, s)
	}
}

// fakeCutInt: parameters are the sizes of a window of one group, isSigned, zx, deep.
func fakeCutInt(a *fakeArgs) {
	x, w, y, v := a.bytes(0), a.bytes(1), tensor.CastSlice[int32](a.bytes(2)[:4*a.ints(3, 1)[0]*a.ints(7, 1)[0]*a.ints(8, 1)[0]*a.ints(9, 1)[0]*a.grid[2]]), a.ints(3, 18)
	h, wd, c, oh, ow, oc, kh, kw := v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]
	rows, k, terms := v[0]*oh*ow, kh*kw*c, 64*v[17]
	if want := [3]int{(rows + 63) / 64, (oc + 63) / 64, (k + terms - 1) / terms}; a.grid != want {
		panic(fmt.Sprintf("grid %v, want %v", a.grid, want))
	}
	flip := int32(0)
	if v[15] == 0 {
		flip = 128
	}
	for s := range a.grid[2] {
		for row := range rows {
			for o := range oc {
				sum := int32(0)
				for at := s * terms; at < min((s+1)*terms, k); at++ {
					t := at / c
					p, q := row/ow%oh*v[9]+t/kw*v[11]-v[13], row%ow*v[10]+t%kw*v[12]-v[14]
					b := byte(v[16])
					if p >= 0 && p < h && q >= 0 && q < wd {
						b = x[((row/(oh*ow)*h+p)*wd+q)*c+at%c]
					}
					sum += (fakeNumber(b, v[15]) - flip) * int32(int8(w[o*k+at]))
				}
				y[(s*rows+row)*oc+o] = sum
			}
		}
	}
}

// fakeJoinInt: parameters are the sums, bias, scales, result, n, C, stretches, pitch.
func fakeJoinInt(a *fakeArgs) {
	v := a.ints(4, 4)
	sums, bias, scale, y := tensor.CastSlice[int32](a.bytes(0)[:4*v[0]*v[2]]), tensor.CastSlice[int32](a.bytes(1)[:4*v[1]]), a.floats(2), a.bytes(3)
	for e := range a.covers(v[0]) {
		sum := bias[e%v[1]]
		for p := range v[2] {
			sum += sums[p*v[0]+e]
		}
		y[e/v[1]*v[3]+e%v[1]] = a.stored(8, float32(sum)*scale[e%v[1]])
	}
}
