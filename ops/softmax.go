package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Softmax is, along Axis,
//
//	y[i] = exp(beta*(x[i]-max)) / sum over j of exp(beta*(x[j]-max))
//
// or its logarithm with Log. With Flatten, dimensions from Axis on count as
// one (ONNX before opset 13). f32, or quantised i8 and u8. The reference is
// computed in float64.
type Softmax struct {
	Axis    int // negative counts from the end
	Log     bool
	Flatten bool
	Beta    float32 // 0 means 1
	Out     OutType // of the integer form
}

// Kind is KindSoftmax.
func (*Softmax) Kind() Kind { return KindSoftmax }

// Fields lists the attributes.
func (s *Softmax) Fields(f Fields) {
	f.Int("axis", &s.Axis)
	f.Bool("log", &s.Log)
	f.Bool("flatten", &s.Flatten)
	f.Float("beta", &s.Beta)
	s.Out.fields(f)
}

// Infer is the operand's shape.
func (s *Softmax) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindSoftmax, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	if _, _, _, err := s.lines(o[0].Shape); err != nil {
		return tensor.Spec{}, err
	}
	if !isQuantised(&o[0]) {
		if err := wantF32(KindSoftmax, "input", &o[0]); err != nil {
			return tensor.Spec{}, err
		}
	}
	if s.Beta != s.Beta {
		return tensor.Spec{}, errf(KindSoftmax, "beta is NaN")
	}
	return s.Out.sameType(KindSoftmax, &o[0], o[0].Shape)
}

// lines splits the shape into outer * n * inner, the softmax running over n.
func (s *Softmax) lines(shape tensor.Shape) (outer, n, inner int, err error) {
	if outer, n, inner, err = axisOf(KindSoftmax, shape, s.Axis); err == nil && s.Flatten {
		n, inner = n*inner, 1
	}
	return outer, n, inner, err
}

func (s *Softmax) beta() float32 {
	if s.Beta == 0 {
		return 1
	}
	return s.Beta
}

// Prepare picks the integer form, the plain path, or rows on vector units when
// Axis is the last.
func (s *Softmax) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	if isQuantised(x) {
		return s.prepareInt(p)
	}
	k := &softmaxKernel{log: s.Log, beta: s.beta(), params: p.Params}
	var err error
	if k.lines, err = s.resolve(x.Shape); err != nil {
		return nil, err
	}
	if len(p.In) > 0 {
		p.InPlace(0)
	}
	if !p.Reference && k.prepareVector() {
		p.NeedScratch(4 * k.room * max(1, p.Threads))
		p.Path("vec")
		return k, nil
	}
	p.Path("reference")
	return k, nil
}

// lines are the runs of elements along an axis: outer * inner of n elements,
// inner apart.
type lines struct {
	outer, n, inner int
	chunk           int // lines of a task
}

//go:noinline
func newLines(outer, n, inner int) lines {
	if n == 0 { // lines of nothing: there are none
		outer = 0
	}
	return lines{outer, n, inner, max(1, chunkElems/8/max(1, n))}
}

func (s *Softmax) resolve(shape tensor.Shape) (lines, error) {
	outer, n, inner, err := s.lines(shape)
	return newLines(outer, n, inner), err
}

func (l *lines) count() int { return l.outer * l.inner }

//go:noinline
func (l *lines) tasks() int { return (l.count() + l.chunk - 1) / l.chunk }

// of is the lines of task i.
//
//go:noinline
func (l *lines) of(i int) (from, to int) { return i * l.chunk, min(l.count(), (i+1)*l.chunk) }

// at is where line i starts.
//
//go:noinline
func (l *lines) at(i int) int { return i/l.inner*l.n*l.inner + i%l.inner }

type softmaxKernel struct {
	lines
	log, vec bool
	beta     float32
	params   []tensor.Tensor
	cols     int // lines that are computed side by side, 0: one by one
	room     int // floats of a worker's scratch
}

func (k *softmaxKernel) Run(a *Args) {
	if k.cols > 0 {
		a.Parallel(k.blocks(), k)
		return
	}
	a.Parallel(k.tasks(), k)
}

func (k *softmaxKernel) Do(a *Args, i, worker int) {
	x, y := argF32(a, k.params, 0), f32(&a.Out)
	room := tensor.CastSlice[float32](a.Scratch)[worker*k.room:][:k.room]
	if k.cols > 0 {
		k.sideBySide(y, x, i, room)
		return
	}
	from, to := k.of(i)
	for l := from; l < to; l++ {
		at := k.at(l)
		if k.vec {
			if k.log {
				k.logRow(y[at:at+k.n], x[at:at+k.n], room)
			} else {
				kern.SoftmaxF32(y[at:at+k.n], x[at:at+k.n], k.beta)
			}
			continue
		}
		k.line(y[at:], x[at:])
	}
}

// line is the definition.
func (k *softmaxKernel) line(y, x []float32) {
	beta, top, sum := float64(k.beta), math.Inf(-1), 0.0
	for j := range k.n {
		top = max(top, beta*float64(x[j*k.inner]))
	}
	for j := range k.n {
		sum += math.Exp(beta*float64(x[j*k.inner]) - top)
	}
	log := math.Log(sum)
	for j := range k.n {
		v := beta*float64(x[j*k.inner]) - top
		if k.log {
			y[j*k.inner] = float32(v - log)
		} else {
			y[j*k.inner] = float32(math.Exp(v) / sum)
		}
	}
}
