package ops

import "github.com/teff-ml/teff/ops/tensor"

// ReduceFn is a function of many numbers. The numbers are part of the file
// format.
type ReduceFn uint8

// The functions of Reduce.
const (
	ReduceMean      ReduceFn = 0
	ReduceSum       ReduceFn = 1
	ReduceMax       ReduceFn = 2
	ReduceMin       ReduceFn = 3
	ReduceProd      ReduceFn = 4
	ReduceL1        ReduceFn = 5 // sum of |x|
	ReduceL2        ReduceFn = 6 // square root of the sum of x²
	ReduceLogSum    ReduceFn = 7
	ReduceLogSumExp ReduceFn = 8
	ReduceSumSquare ReduceFn = 9

	numReduce = 10
)

// Reduce applies Fn over Axes. Sums are in float64, in order of memory. f32
// for every function; i32 and i64 for Sum, Max, Min, Prod and Mean (toward
// zero); quantised i8 and u8 by the integer form.
//
// Nothing to reduce (an extent of 0) gives 0 for sums, 1 for Prod, -Inf and
// +Inf for Max and Min, NaN for Mean.
type Reduce struct {
	Fn       ReduceFn
	Axes     []int // negative counts from the end; empty means all, or none with NoOp
	KeepDims bool  // reduced dimensions stay with extent 1
	NoOp     bool
	Out      OutType // of the integer form
}

// Kind is KindReduce.
func (*Reduce) Kind() Kind { return KindReduce }

// Fields lists the attributes.
func (r *Reduce) Fields(f Fields) {
	FieldEnum(f, "fn", &r.Fn)
	f.Ints("axes", &r.Axes)
	f.Bool("keep_dims", &r.KeepDims)
	f.Bool("no_op", &r.NoOp)
	r.Out.fields(f)
}

// resolve marks the reduced dimensions and gives the result's shape.
func (r *Reduce) resolve(s tensor.Shape) (reduced [tensor.MaxRank]bool, out tensor.Shape, err error) {
	for _, a := range r.Axes {
		if a < 0 {
			a += s.Rank()
		}
		if a < 0 || a >= s.Rank() {
			return reduced, out, errf(KindReduce, "axes %v of shape %v", r.Axes, s)
		}
		if reduced[a] {
			return reduced, out, errf(KindReduce, "axes %v name one twice", r.Axes)
		}
		reduced[a] = true
	}
	if len(r.Axes) == 0 && !r.NoOp {
		for i := range s.Rank() {
			reduced[i] = true
		}
	}
	var dims []int
	for i := range s.Rank() {
		switch {
		case !reduced[i]:
			dims = append(dims, s.Dim(i))
		case r.KeepDims:
			dims = append(dims, 1)
		}
	}
	out, err = tensor.NewShape(dims...)
	return reduced, out, err
}

// withOnes is s with the reduced dimensions of extent 1.
func withOnes(s tensor.Shape, reduced [tensor.MaxRank]bool) tensor.Shape {
	for i, on := range reduced[:s.Rank()] {
		if on {
			s = s.With(i, 1)
		}
	}
	return s
}

// Infer is the operand's shape without the reduced dimensions.
func (r *Reduce) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindReduce, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	if r.Fn >= numReduce {
		return tensor.Spec{}, errf(KindReduce, "function %d is not known", r.Fn)
	}
	_, s, err := r.resolve(o[0].Shape)
	if err != nil {
		return tensor.Spec{}, err
	}
	switch d := o[0].DType; {
	case d == tensor.F32, isQuantised(&o[0]):
	case d == tensor.I32, d == tensor.I64:
		if r.Fn > ReduceProd {
			return tensor.Spec{}, errf(KindReduce, "function %d has no meaning on %v", r.Fn, d)
		}
	default:
		return tensor.Spec{}, wantF32(KindReduce, "input", &o[0])
	}
	return r.Out.sameType(KindReduce, &o[0], s)
}
