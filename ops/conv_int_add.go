package ops

import "github.com/teff-ml/teff/ops/internal/kern"

// convSum is the addition behind an integer convolution, where the two are one step.
type convSum struct {
	add  *binaryInt
	swap bool // the convolution is the second operand
}

// sumChannels is what channels must be a multiple of for the step to take no longer than the two: rows of a tile are added
// to one by one, in whole registers.
const sumChannels = 32

// findConvSum is nil where conv and add, whose given operand conv is, do not become one step. pc and pa are what Prepare may
// know.
func findConvSum(conv *Conv, add *Binary, operand int, pc, pa *Prep) *convSum {
	if add.Fn != BinaryAdd || pc.Reference || pc.Training || pc.OutPitch != 0 || pa.OutPitch != 0 || len(pc.In) != 1 || len(pc.Params) == 0 ||
		len(pa.In) != 2 || !pc.Out.DType.IsInt8() || min(pc.In[0].Shape.Elems(), pc.Params[0].Shape.Elems(), pc.Out.Shape.Elems()) == 0 ||
		pa.In[0].Shape != pa.Out.Shape || pa.In[1].Shape != pa.Out.Shape {
		return nil
	}
	k, err := add.prepareInt(&Prep{In: pa.In, Out: pa.Out, Threads: pa.Threads})
	if err != nil {
		return nil
	}
	if b := k.(*binaryInt); b.fixed && b.vectors && pa.Out.Shape.Channels()%sumChannels == 0 {
		return &convSum{b, operand == 1}
	}
	return nil
}

// CanConvAdd says that ConvAdd would find a kernel. It packs nothing.
func CanConvAdd(conv *Conv, add *Binary, operand int, pc, pa *Prep) bool {
	return findConvSum(conv, add, operand, pc, pa) != nil
}

// ConvAdd prepares an integer convolution and the addition behind it, whose given operand the convolution is, as one step:
// the bits of one after the other, and nothing of the convolution's size between them. Direct products add to each tile
// they stored; behind another kernel the addition passes over the result in place. The step's inputs are the convolution's, and the
// addition's other operand. It is nil where they are better computed one by one. What the step wants is asked of pa.
func ConvAdd(conv *Conv, add *Binary, operand int, pc, pa *Prep) Kernel {
	s := findConvSum(conv, add, operand, pc, pa)
	if s == nil {
		return nil
	}
	pc.ScratchBudget = pa.ScratchBudget
	k, err := conv.Prepare(pc)
	if err != nil {
		return nil // the node's own preparation says so
	}
	r := pc.Requests()
	pa.NeedScratch(r.Scratch)
	pa.Path(r.Path + "+add")
	sum := s.add.add
	if s.swap {
		sum.XSigned, sum.YSigned, sum.MX, sum.MY = sum.YSigned, sum.XSigned, sum.MY, sum.MX
	}
	if g, ok := k.(*convGemmInt); ok {
		g.args.Sum = kern.NewGemmI8Sum(sum)
		g.args.LDR = g.oc
		return g
	}
	sum.Prepare()
	return &convThenAdd{conv: k, add: sum, n: pa.Out.Shape.Elems(), part: 4 * chunkElems}
}

// convThenAdd is a kernel with an addition behind it, n elements, a part of them a task.
type convThenAdd struct {
	conv    Kernel
	add     kern.AddI8Args
	n, part int
}

func (k *convThenAdd) Run(a *Args) {
	k.conv.Run(a)
	a.Parallel((k.n+k.part-1)/k.part, k)
}

// Do adds to a part of the convolution's result.
func (k *convThenAdd) Do(a *Args, i, _ int) {
	from, to := i*k.part, min(k.n, (i+1)*k.part)
	y := a.Out.Data[from:to]
	kern.AddI8(y, y, a.In[1].Data[from:to], &k.add)
}
