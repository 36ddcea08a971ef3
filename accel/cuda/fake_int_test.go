package cuda

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/accel/cuda/internal/driver"
	"github.com/teff-ml/teff/ops/tensor"
)

// bytes is a pointer parameter as bytes, nil for the null pointer.
func (a *fakeArgs) bytes(i int) []byte {
	if a.v[i] == 0 {
		return nil
	}
	m, err := a.d.at(driver.Ptr(a.v[i]))
	if err != nil {
		panic(fmt.Sprintf("parameter %d: %v", i, err))
	}
	return m
}

func (a *fakeArgs) floats(i int) []float32 {
	m := a.bytes(i)
	return tensor.CastSlice[float32](m[:len(m)&^3])
}

func fakeNumber(b byte, signed int) int32 {
	if signed == 1 {
		return int32(int8(b))
	}
	return int32(b)
}

// stored is clamp(roundHalfEven(v)+zero, lo, hi), with the three from parameter i.
func (a *fakeArgs) stored(i int, v float32) byte {
	p := a.ints(i, 3)
	r := max(min(math.RoundToEven(float64(v)), float64(p[2]-p[0])), float64(p[1]-p[0]))
	return byte(int(r) + p[0])
}

func (a *fakeArgs) limited(i int, v int32) byte {
	p := a.ints(i, 2)
	return byte(min(max(int(v), p[0]), p[1]))
}

// fakeInts are the kernels on integers as plain loops.
var fakeInts = map[string]func(*fakeArgs){
	"conv_i8": fakeConvInt,
	"cut_i8":  fakeCutInt,
	"join_i8": fakeJoinInt,
	"pool_i8": fakePoolInt,
	"reduce_i8": func(a *fakeArgs) {
		x, y, v := a.bytes(0), a.bytes(1), a.ints(2, 6)
		d, s, e, t := a.ints(12, 6), a.ints(18, 6), a.ints(24, 6), a.ints(30, 6)
		for i := range a.covers(v[0]) {
			r := map[int]int32{2: -1 << 16, 3: 1 << 16}[v[2]]
			for j := range v[1] {
				switch q := fakeNumber(x[walk(i, d, s)+walk(j, e, t)], v[4]) - int32(v[5]); v[2] {
				case 2:
					r = max(r, q)
				case 3:
					r = min(r, q)
				default:
					r += q
				}
			}
			if y[i] = a.stored(9, float32(r)*float32(a.num(8))); v[3] == 1 {
				y[i] = byte(int(r) + a.ints(9, 1)[0])
			}
		}
	},
	"table_i8": func(a *fakeArgs) {
		x, table, y, v := a.bytes(0), a.bytes(1), a.bytes(2), a.ints(3, 3)
		for i := range a.covers(v[0]) {
			y[i/v[1]*v[2]+i%v[1]] = table[x[i]]
		}
	},
	"lookup_i8": func(a *fakeArgs) {
		x, table, y := a.bytes(0), a.floats(1), a.floats(2)
		for i := range a.covers(a.ints(3, 1)[0]) {
			y[i] = table[x[i]]
		}
	},
	"quantize_i8": func(a *fakeArgs) {
		x, y := a.floats(0), a.bytes(1)
		for i := range a.covers(a.ints(2, 1)[0]) {
			y[i] = a.stored(4, x[i]/float32(a.num(3)))
		}
	},
	"binary_i8": func(a *fakeArgs) {
		x1, x2, table, y, n := a.bytes(0), a.bytes(1), a.bytes(2), a.bytes(3), a.ints(4, 1)[0]
		d, s1, s2, f := a.ints(5, 6), a.ints(11, 6), a.ints(17, 6), a.ints(23, 7)
		for i := range a.covers(n) {
			p, q := x1[walk(i, d, s1)], x2[walk(i, d, s2)]
			if table != nil {
				y[i] = table[int(p)*256+int(q)]
				continue
			}
			v := int32(f[4]) + fakeNumber(p, f[0])*int32(f[2]) + fakeNumber(q, f[1])*int32(f[3])
			y[i] = a.limited(30, v>>f[5]+int32(f[6]))
		}
	},
	"softmax_i8": func(a *fakeArgs) {
		x, exps, y, v := a.bytes(0), a.floats(1), a.bytes(2), a.ints(3, 4)
		for line := range a.covers(v[0] * v[2]) {
			at := func(i int) int { return (line/v[2]*v[1]+i)*v[2] + line%v[2] }
			top, sum := int32(math.MinInt32), float32(0)
			for i := range v[1] {
				top = max(top, fakeNumber(x[at(i)], v[3]))
			}
			for i := range v[1] {
				sum += exps[top-fakeNumber(x[at(i)], v[3])]
			}
			f := 1 / float32(sum*float32(a.num(7)))
			for i := range v[1] {
				e := float32(exps[top-fakeNumber(x[at(i)], v[3])] * f)
				y[at(i)] = a.limited(9, int32(e+0.5)+int32(a.ints(8, 1)[0]))
			}
		}
	},
	"copy_i8": func(a *fakeArgs) {
		x, y, n := a.bytes(0), a.bytes(1), a.ints(2, 1)[0]
		d, sx, sy := a.ints(3, 6), a.ints(9, 7), a.ints(16, 7)
		for i := range a.covers(n) {
			y[sy[6]+walk(i, d, sy[:6])] = x[sx[6]+walk(i, d, sx[:6])]
		}
	},
	"fill_i8": func(a *fakeArgs) {
		y := a.bytes(0)
		for i := range a.covers(a.ints(1, 1)[0]) {
			y[i] = byte(a.num(2))
		}
	},
}

// fakeConvInt: parameters are x, w, bias, scale, y, N,H,W,C, OH,OW,OC, KH,KW,
// SH,SW, DH,DW, PT,PL, G, yPitch, isSigned, zx, zw, zero, lo, hi. The kernels with
// tiles take the sum of x*w, and zw times the sum of x off.
func fakeConvInt(a *fakeArgs) {
	x, w, bias, scale, y, v := a.bytes(0), a.bytes(1), tensor.CastSlice[int32](a.bytes(2)[:4*a.ints(11, 1)[0]]), a.floats(3), a.bytes(4), a.ints(5, 20)
	h, wd, c, oh, ow, oc, kh, kw := v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]
	cg, og, k := c/v[15], oc/v[15], kh*kw*c/v[15]
	tiled, zx, zw, flip := len(a.words) > 2, int32(v[18]), int32(v[19]), int32(0)
	rows := v[0] * oh * ow
	if tiled {
		t := map[string]int{"64": 64, "128": 128}[a.words[2]]
		if want := [3]int{(rows + t - 1) / t, (og + t - 1) / t, v[15]}; a.grid != want {
			panic(fmt.Sprintf("grid %v, want %v", a.grid, want))
		}
		if v[17] == 0 {
			flip = 128
		}
	} else {
		a.covers(rows * oc)
	}
	for row := range rows {
		n, i, j := row/(oh*ow), row/ow%oh, row%ow
		for o := range oc {
			sum := bias[o]
			all := -flip * int32((k+63)/64*64-k) // of x, with the rest of the last row of a tile
			for t := range kh * kw {
				p, q := i*v[9]+t/kw*v[11]-v[13], j*v[10]+t%kw*v[12]-v[14]
				inside := p >= 0 && p < h && q >= 0 && q < wd
				if !inside && !tiled {
					continue
				}
				for e := range cg {
					b := byte(zx)
					if inside {
						b = x[((n*h+p)*wd+q)*c+o/og*cg+e]
					}
					f := int32(int8(w[(o*kh*kw+t)*cg+e]))
					if tiled {
						s := fakeNumber(b, v[17]) - flip
						sum, all = sum+s*f, all+s
					} else {
						sum += (fakeNumber(b, v[17]) - zx) * (f - zw)
					}
				}
			}
			if tiled && a.words[1] == "i8z" {
				sum -= all * zw
			}
			y[row*v[16]+o] = a.stored(25, float32(sum)*scale[o])
		}
	}
}

// fakePoolInt: parameters are N,H,W,C, OH,OW, KH,KW, SH,SW, DH,DW, PT,PL, mode,
// yPitch, isSigned, zx, rescale, sx, sy, zero, lo, hi.
func fakePoolInt(a *fakeArgs) {
	x, y, v := a.bytes(0), a.bytes(1), a.ints(2, 19)
	h, w, c, oh, ow := v[1], v[2], v[3], v[4], v[5]
	zx, sx, sy := int32(v[17]), float32(a.num(21)), float32(a.num(22))
	for i := range a.covers(v[0] * oh * ow * c) {
		row, ch := i/c, i%c
		n, r, s := row/(oh*ow), row/ow%oh, row%ow
		sum, count, top := int32(0), int32(0), int32(-1<<16)
		for t := range v[6] * v[7] {
			p, q := r*v[8]+t/v[7]*v[10]-v[12], s*v[9]+t%v[7]*v[11]-v[13]
			if p < 0 || p >= h || q < 0 || q >= w {
				continue
			}
			e := fakeNumber(x[((n*h+p)*w+q)*c+ch], v[16])
			sum, count, top = sum+e, count+1, max(top, e)
		}
		if v[14] == 1 {
			sum, count = sum+(int32(v[6]*v[7])-count)*zx, int32(v[6]*v[7])
		}
		var b byte
		switch {
		case count == 0:
			b = a.limited(24, int32(a.ints(23, 1)[0]))
		case v[14] == 0 && v[18] == 1:
			b = a.stored(23, float32(top-zx)*(sx/sy))
		case v[14] == 0:
			b = a.limited(24, top)
		case v[18] == 1:
			b = a.stored(23, float32(sum-count*zx)*(sx/float32(sy*float32(count))))
		case sum > 0:
			b = a.limited(24, (sum+count/2)/count)
		default:
			b = a.limited(24, (sum-count/2)/count)
		}
		y[row*v[15]+ch] = b
	}
}
