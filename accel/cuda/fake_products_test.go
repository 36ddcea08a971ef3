package cuda

import (
	"fmt"
	"math"
)

func fakeCast(a *fakeArgs) {
	x, y := a.ptr(0), a.ptr(1)
	n := a.covers(a.ints(2, 1)[0])
	copy(y[:n], x[:n])
}

// fakeMatMul: parameters are M,N,K, strides m,k of x and k,n of w, four dims of
// the batch, their strides in x and in w, alpha.
func fakeMatMul(a *fakeArgs) {
	x, w, y, v := a.ptr(0), a.ptr(1), a.ptr(2), a.ints(3, 19)
	dims, xs, ws := v[7:11], v[11:15], v[15:19]
	batch := dims[0] * dims[1] * dims[2] * dims[3]
	if want := [3]int{(v[0] + 63) / 64, (v[1] + 63) / 64, batch}; a.grid != want {
		panic(fmt.Sprintf("grid %v, want %v", a.grid, want))
	}
	for b := range batch {
		xo, wo := walk(b, dims, xs), walk(b, dims, ws)
		for i := range v[0] {
			for j := range v[1] {
				s := 0.0
				for k := range v[2] {
					s += float64(x[xo+i*v[3]+k*v[4]]) * float64(w[wo+k*v[5]+j*v[6]])
				}
				y[(b*v[0]+i)*v[1]+j] = a.clamp(23, a.num(22)*s)
			}
		}
	}
}

// fakeReduce: parameters are n, m, fn, wide, the kept dims and strides, the
// reduced ones.
func fakeReduce(a *fakeArgs) {
	x, y, v := a.ptr(0), a.ptr(1), a.ints(2, 28)
	n, m, fn := v[0], v[1], v[2]
	if v[3] == 0 {
		a.covers(n)
	} else if a.grid != [3]int{n, 1, 1} {
		panic(fmt.Sprintf("grid %v for %d results", a.grid, n))
	}
	for i := range n {
		from := walk(i, v[4:10], v[10:16])
		at := func(j int) float64 { return float64(x[from+walk(j, v[16:22], v[22:28])]) }
		top := math.Inf(-1)
		for j := range m {
			top = max(top, at(j))
		}
		sum := map[int]float64{2: math.Inf(-1), 3: math.Inf(1), 4: 1}[fn]
		for j := range m {
			switch e := at(j); fn {
			case 2:
				sum = max(sum, e)
			case 3:
				sum = min(sum, e)
			case 4:
				sum *= e
			case 5:
				sum += math.Abs(e)
			case 6, 9:
				sum += e * e
			case 8:
				sum += math.Exp(e - top)
			default:
				sum += e
			}
		}
		switch fn {
		case 0:
			sum /= float64(m)
		case 6:
			sum = math.Sqrt(sum)
		case 7:
			sum = math.Log(sum)
		case 8:
			sum = top + math.Log(sum)
		}
		y[i] = float32(sum)
	}
}

// fakeNorm: parameters are outer, pos, groups, width, scaleOne, biasOne, what, eps.
func fakeNorm(a *fakeArgs) {
	x, scale, bias, y, v := a.ptr(0), a.ptr(1), a.ptr(2), a.ptr(3), a.ints(4, 7)
	pos, groups, width := v[1], v[2], v[3]
	if a.grid != [3]int{v[0] * groups, 1, 1} {
		panic(fmt.Sprintf("grid %v for %d sets", a.grid, v[0]*groups))
	}
	for set := range v[0] * groups {
		g, n := set%groups, pos*width
		at := func(i int) int { return ((set/groups*pos+i/width)*groups+g)*width + i%width }
		mean, square := 0.0, 0.0
		for i := range n {
			mean += float64(x[at(i)]) / float64(n)
		}
		for i := range n {
			square += math.Pow(float64(x[at(i)])-mean, 2) / float64(n)
		}
		inv := 1 / math.Sqrt(square+a.num(11))
		if v[6] > 0 {
			y[set] = float32(map[int]float64{1: mean, 2: inv}[v[6]])
			continue
		}
		for i := range n {
			value := (float64(x[at(i)]) - mean) * inv
			of := func(t []float32, one int) float64 {
				if one == 1 {
					return float64(t[g])
				}
				return float64(t[g*width+i%width])
			}
			if scale != nil {
				value *= of(scale, v[4])
			}
			if bias != nil {
				value += of(bias, v[5])
			}
			y[at(i)] = float32(value)
		}
	}
}

// fakeDeconv: parameters are N,H,W,C, OH,OW,OC, KH,KW, SH,SW, DH,DW, PT,PL, G.
func fakeDeconv(a *fakeArgs) {
	x, w, bias, y, v := a.ptr(0), a.ptr(1), a.ptr(2), a.ptr(3), a.ints(4, 16)
	h, wd, c, oh, ow, oc, kh, kw := v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]
	cg, og := c/v[15], oc/v[15]
	sum := make([]float64, a.covers(v[0]*oh*ow*oc))
	for i := range sum {
		if bias != nil {
			sum[i] = float64(bias[i%oc])
		}
	}
	for i := range v[0] * h * wd * c {
		ch, q, p, n := i%c, i/c%wd, i/c/wd%h, i/c/wd/h
		for t := range kh * kw {
			r, s := p*v[9]+t/kw*v[11]-v[13], q*v[10]+t%kw*v[12]-v[14]
			if r < 0 || r >= oh || s < 0 || s >= ow {
				continue
			}
			for o := range og {
				sum[((n*oh+r)*ow+s)*oc+ch/cg*og+o] += float64(x[i]) * float64(w[(ch*kh*kw+t)*og+o])
			}
		}
	}
	for i, s := range sum {
		y[i] = a.clamp(20, s)
	}
}
