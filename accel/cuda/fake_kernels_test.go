package cuda

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/x448/float16"

	"github.com/teff-ml/teff/accel/cuda/internal/driver"
	"github.com/teff-ml/teff/ops/tensor"
)

// fakeArgs are a launch's parameters.
type fakeArgs struct {
	d     *fakeDriver
	v     []uint64
	grid  [3]int
	words []string // of the kernel's name
	wide  []widened
}

// widened is memory of two-byte elements as floats while a kernel runs.
type widened struct {
	element        string
	memory         []byte
	floats, before []float32
}

// element is the type of a tensor's elements in a kernel.
func (a *fakeArgs) element(i int) string {
	switch {
	case a.words[0] == "narrow" && i == 0, a.words[0] == "widen" && i == 1, a.words[1] == "tf32",
		a.words[0] == "cut" && i == 2, a.words[0] == "join" && i < 2:
		return "f32"
	case a.words[0] == "join":
		return a.joinElement(i)
	case strings.HasSuffix(a.words[0], "conv") && (i == 3 || i == 4) && a.words[0] != "deconv" && a.words[1] != "tf32":
		return a.convElement(i)
	case a.words[0] == "dwconv" && i == 1, strings.HasSuffix(a.words[0], "conv") && i == 2, a.words[0] == "affine" && (i == 1 || i == 2): // bias, scale and shift
		return "f32"
	}
	return a.words[1]
}

// convElement is what act says of a convolution's residual and result.
func (a *fakeArgs) convElement(i int) string {
	act := a.ints(22, 1)[0]
	switch {
	case a.words[1] == "f32" && i == 4 && a.words[0] == "conv" && a.v[25] != 0: // parts of sums
		return "f32"
	case a.words[1] == "f32" && i == 4 && act&storesHalf != 0:
		return "f16"
	case a.words[1] == "f32" && i == 4 && act&storesBfloat != 0:
		return "bf16"
	case a.words[0] == "conv" && a.words[1] != "f32" && (i == 4 && act&storesFloat != 0 || i == 3 && act&addsFloat != 0):
		if a.words[2] != "64" {
			panic("tiles of 128 have one type")
		}
		return "f32"
	}
	return a.words[1]
}

// ptr is a pointer parameter as memory, nil for the null pointer.
func (a *fakeArgs) ptr(i int) []float32 {
	if a.v[i] == 0 {
		return nil
	}
	m, err := a.d.at(driver.Ptr(a.v[i]))
	if err != nil {
		panic(fmt.Sprintf("parameter %d: %v", i, err))
	}
	e := a.element(i)
	if e == "f32" {
		return tensor.CastSlice[float32](m[:len(m)&^3])
	}
	w := widened{element: e, memory: m, floats: make([]float32, len(m)/2)}
	for j := range w.floats {
		b := binary.LittleEndian.Uint16(m[2*j:])
		if w.floats[j] = math.Float32frombits(uint32(b) << 16); e == "f16" {
			w.floats[j] = float16.Frombits(b).Float32()
		}
	}
	w.before = slices.Clone(w.floats)
	a.wide = append(a.wide, w)
	return w.floats
}

// store brings what a kernel wrote back to two bytes.
func (a *fakeArgs) store() {
	for _, w := range a.wide {
		for i, f := range w.floats {
			if math.Float32bits(f) == math.Float32bits(w.before[i]) {
				continue
			}
			b := tensor.CastSlice[uint16](bfloats([]float32{f}))[0]
			if w.element == "f16" {
				b = float16.Fromfloat32(f).Bits()
			}
			binary.LittleEndian.PutUint16(w.memory[2*i:], b)
		}
	}
	a.wide = nil
}

func (a *fakeArgs) num(i int) float64 { return math.Float64frombits(a.v[i]) }

// ints are n integers from parameter i on.
func (a *fakeArgs) ints(i, n int) []int {
	v := make([]int, n)
	for j := range v {
		v[j] = int(int64(a.v[i+j]))
	}
	return v
}

// clamp applies the activation whose parameters start at i.
func (a *fakeArgs) clamp(i int, v float64) float32 {
	if a.v[i]&1 == 0 {
		return float32(v)
	}
	return float32(min(max(v, a.num(i+1)), a.num(i+2)))
}

// covers checks that the first dimension of the grid has a thread for each of n.
func (a *fakeArgs) covers(n int) int {
	if want := [3]int{(n + 255) / 256, 1, 1}; a.grid != want {
		panic(fmt.Sprintf("grid %v for %d elements", a.grid, n))
	}
	return n
}

// fakeKernels are the kernels as plain loops.
var fakeKernels = map[string]func(*fakeArgs){
	"conv": func(a *fakeArgs) {
		v := a.ints(5, 17)
		rows, oc, g, t := v[0]*v[4]*v[5], v[6], v[15], 64
		if a.words[len(a.words)-1] == "128" {
			t = 128
		}
		deep := 0
		if a.words[1] == "f32" {
			deep = a.ints(25, 1)[0]
		}
		if deep > 0 {
			fakeStretches(a, a.ptr(0), a.ptr(1), a.ptr(4), v, 1, 16*deep)
			return
		}
		if want := [3]int{(rows + t - 1) / t, (oc/g + t - 1) / t, g}; a.grid != want {
			panic(fmt.Sprintf("grid %v, want %v", a.grid, want))
		}
		fakeConv(a, v)
	},
	"cut":  fakeCut,
	"join": fakeJoin,
	"dwconv": func(a *fakeArgs) {
		v := a.ints(5, 17)
		if v[3] != v[15] {
			panic("groups of more than one channel")
		}
		a.covers(v[0] * v[4] * v[5] * v[6])
		fakeConv(a, v)
	},
	"pool": fakePool,
	"gavg": func(a *fakeArgs) {
		x, y, v := a.ptr(0), a.ptr(1), a.ints(2, 3)
		if want := [3]int{(v[2] + 31) / 32, v[0], 1}; a.grid != want {
			panic(fmt.Sprintf("grid %v, want %v", a.grid, want))
		}
		for n := range v[0] {
			for c := range v[2] {
				s := 0.0
				for i := range v[1] {
					s += float64(x[(n*v[1]+i)*v[2]+c])
				}
				y[n*v[2]+c] = float32(s / float64(v[1]))
			}
		}
	},
	"softmax": func(a *fakeArgs) {
		x, y, v := a.ptr(0), a.ptr(1), a.ints(2, 3)
		if a.grid != [3]int{v[0], 1, 1} {
			panic(fmt.Sprintf("grid %v for %d rows", a.grid, v[0]))
		}
		for r := range v[0] {
			top, sum := math.Inf(-1), 0.0
			for _, e := range x[r*v[1]:][:v[1]] {
				top = max(top, float64(e))
			}
			for _, e := range x[r*v[1]:][:v[1]] {
				sum += math.Exp(float64(e) - top)
			}
			for c := range v[1] {
				e := float64(x[r*v[1]+c]) - top
				if y[r*v[1]+c] = float32(math.Exp(e) / sum); v[2] == 1 {
					y[r*v[1]+c] = float32(e - math.Log(sum))
				}
			}
		}
	},
	"unary": func(a *fakeArgs) {
		x, y, v := a.ptr(0), a.ptr(1), a.ints(2, 2)
		for i := range a.covers(v[0]) {
			y[i] = float32(fakeUnary(v[1], a.num(4), a.num(5), float64(x[i])))
		}
	},
	"binary": func(a *fakeArgs) {
		x1, x2, y, v := a.ptr(0), a.ptr(1), a.ptr(2), a.ints(3, 2)
		d, s1, s2 := a.ints(5, 6), a.ints(11, 6), a.ints(17, 6)
		for i := range a.covers(v[0]) {
			y[i] = a.clamp(23, fakeBinary(v[1], float64(x1[walk(i, d, s1)]), float64(x2[walk(i, d, s2)])))
		}
	},
	"affine": func(a *fakeArgs) {
		x, scale, shift, y, v := a.ptr(0), a.ptr(1), a.ptr(2), a.ptr(3), a.ints(4, 2)
		for i := range a.covers(v[0]) {
			y[i] = a.clamp(6, float64(x[i])*float64(scale[i%v[1]])+float64(shift[i%v[1]]))
		}
	},
	"copy": func(a *fakeArgs) {
		x, y, n := a.ptr(0), a.ptr(1), a.ints(2, 1)[0]
		d, sx, sy := a.ints(3, 6), a.ints(9, 7), a.ints(16, 7)
		for i := range a.covers(n) {
			y[sy[6]+walk(i, d, sy[:6])] = x[sx[6]+walk(i, d, sx[:6])]
		}
	},
	"fill": func(a *fakeArgs) {
		y, n := a.ptr(0), a.ints(1, 1)[0]
		for i := range a.covers(n) {
			y[i] = float32(a.num(2))
		}
	},
	"resize": fakeResize,
	"narrow": fakeCast,
	"widen":  fakeCast,
	"matmul": fakeMatMul,
	"reduce": fakeReduce,
	"norm":   fakeNorm,
	"deconv": fakeDeconv,
}

// walk is where element i of a box of dims lies by strides.
func walk(i int, dims, strides []int) (at int) {
	for d := len(dims) - 1; d >= 0; d-- {
		at += i % dims[d] * strides[d]
		i /= dims[d]
	}
	return at
}

// fakeConv: v is N,H,W,C, OH,OW,OC, KH,KW, SH,SW, DH,DW, PT,PL, G, yPitch.
func fakeConv(a *fakeArgs, v []int) {
	x, w, bias, res, y := a.ptr(0), a.ptr(1), a.ptr(2), a.ptr(3), a.ptr(4)
	c, oh, ow, oc, kh, kw := v[3], v[4], v[5], v[6], v[7], v[8]
	cg, parts := c/v[15], 1
	if len(a.words) == 3 && a.v[22]&twoParts != 0 {
		parts = 2
	}
	for row := range v[0] * oh * ow {
		for o := range oc {
			s := fakeSum(x, w, v, parts, row, o, 0, parts*kh*kw*cg)
			if bias != nil {
				s += float64(bias[o])
			}
			if res != nil {
				s += float64(res[row*oc+o])
			}
			y[row*v[16]+o] = a.clamp(22, s)
		}
	}
}

// fakePool: parameters are N,H,W,C, OH,OW, KH,KW, SH,SW, DH,DW, PT,PL, PB,PR, mode, yPitch.
func fakePool(a *fakeArgs) {
	x, y, v := a.ptr(0), a.ptr(1), a.ints(2, 18)
	h, w, c, oh, ow := v[1], v[2], v[3], v[4], v[5]
	for i := range a.covers(v[0] * oh * ow * c) {
		row, ch := i/c, i%c
		n, r, s := row/(oh*ow), row/ow%oh, row%ow
		top, sum, count := math.Inf(-1), 0.0, 0
		for t := range v[6] * v[7] {
			p, q := r*v[8]+t/v[7]*v[10]-v[12], s*v[9]+t%v[7]*v[11]-v[13]
			inside := p >= 0 && p < h && q >= 0 && q < w
			if inside || v[16] == 1 && p < h+v[14] && q < w+v[15] {
				count++
			}
			if inside {
				e := float64(x[((n*h+p)*w+q)*c+ch])
				top, sum = max(top, e), sum+e
			}
		}
		if y[row*v[17]+ch] = float32(top); v[16] > 0 {
			y[row*v[17]+ch] = float32(sum / float64(max(1, count)))
		}
	}
}

func fakeUnary(kind int, a, b, x float64) float64 {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	switch kind {
	case 0:
		return x
	case 1:
		return min(max(x, a), b)
	case 2:
		if x < 0 {
			return a * x
		}
		return x
	case 3:
		return sigmoid(x)
	case 4:
		return math.Tanh(x)
	case 5:
		return min(max(a*x+b, 0), 1)
	case 6:
		return x * min(max(x/6+0.5, 0), 1)
	case 7:
		return x * sigmoid(x)
	case 8:
		return math.Exp(x)
	case 9:
		return math.Log(x)
	case 10:
		return math.Sqrt(x)
	case 11:
		return -x
	case 12:
		return math.Abs(x)
	case 13:
		return a*x + b
	case 14:
		return x / 2 * (1 + math.Erf(x/math.Sqrt2))
	case 15:
		return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
	case 16:
		if x < 0 {
			return a * math.Expm1(x)
		}
		return x
	}
	panic(fmt.Sprintf("function %d", kind))
}

func fakeBinary(kind int, x, y float64) float64 {
	switch kind {
	case 0:
		return x + y
	case 1:
		return x - y
	case 2:
		return x * y
	case 3:
		return x / y
	case 4:
		return max(x, y)
	case 5:
		return min(x, y)
	case 6:
		return math.Pow(x, y)
	}
	panic(fmt.Sprintf("function %d", kind))
}

func fakeResize(a *fakeArgs) {
	x, y, v := a.ptr(0), a.ptr(1), a.ints(2, 7)
	h, w, c, oh, ow := v[1], v[2], v[3], v[4], v[5]
	source := func(o, in, scale, off int) (int, int, float64) {
		s := float64(o)*a.num(scale) + a.num(off)
		if v[6] == 0 {
			i := min(max(int(math.Floor(s)), 0), in-1)
			return i, i, 0
		}
		s = min(max(s, 0), float64(in-1))
		i := int(s)
		return i, min(i+1, in-1), s - float64(i)
	}
	for i := range a.covers(v[0] * oh * ow * c) {
		n, r, s, ch := i/(oh*ow*c), i/(ow*c)%oh, i/c%ow, i%c
		p0, p1, fp := source(r, h, 9, 11)
		q0, q1, fq := source(s, w, 10, 12)
		at := func(p, q int) float64 { return float64(x[((n*h+p)*w+q)*c+ch]) }
		y[i] = float32((at(p0, q0)*(1-fq)+at(p0, q1)*fq)*(1-fp) + (at(p1, q0)*(1-fq)+at(p1, q1)*fq)*fp)
	}
}
