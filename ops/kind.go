package ops

import "fmt"

// Kind names an operator. The numbers are part of the file format: they are
// never reused or changed.
type Kind uint16

// The operators.
const (
	KindInput          Kind = 1
	KindConstant       Kind = 2
	KindConv           Kind = 3
	KindConvTranspose  Kind = 4
	KindDense          Kind = 5
	KindMatMul         Kind = 6
	KindBinary         Kind = 8
	KindUnary          Kind = 9
	KindPRelu          Kind = 10
	KindSoftmax        Kind = 11
	KindReduce         Kind = 12
	KindArgMax         Kind = 13
	KindTopK           Kind = 14
	KindPool           Kind = 15
	KindGlobalPool     Kind = 16
	KindMaxUnpool      Kind = 17
	KindBatchNorm      Kind = 18
	KindGroupNorm      Kind = 19 // instance norm is one group a channel
	KindLayerNorm      Kind = 20
	KindLRN            Kind = 21
	KindConcat         Kind = 22
	KindSlice          Kind = 23
	KindPad            Kind = 24
	KindReshape        Kind = 25
	KindTranspose      Kind = 26
	KindGather         Kind = 27
	KindResize         Kind = 28
	KindDepthToSpace   Kind = 29
	KindSpaceToDepth   Kind = 30
	KindCol2Im         Kind = 31
	KindCast           Kind = 32
	KindDropout        Kind = 33
	KindIdentity       Kind = 34
	KindExpand         Kind = 35
	KindTile           Kind = 36
	KindWhere          Kind = 37
	KindCompare        Kind = 38
	KindLogic          Kind = 39
	KindGatherElements Kind = 40
	KindOneHot         Kind = 41
	KindCumSum         Kind = 42
	KindScatter        Kind = 43

	KindLpNorm Kind = 48

	KindQuantize        Kind = 64
	KindDequantize      Kind = 65
	KindDynamicQuantize Kind = 66
	KindQLinearConv     Kind = 67
	KindQLinearMatMul   Kind = 68
	KindConvInteger     Kind = 69
	KindMatMulInteger   Kind = 70

	KindSoftmaxCrossEntropy Kind = 96
	KindNLLLoss             Kind = 97
	KindMSELoss             Kind = 98
	KindBCELoss             Kind = 99

	maxKind Kind = 128
)

// Desc describes an operator to those that must make one from a file.
type Desc struct {
	Kind Kind
	Name string
	New  func() Op
}

// Each family of operators lists its own; there is no registration.
var table = buildTable(coreOps, convOps, elementwiseOps, mathOps, poolOps, shapeOps, quantOps)

func buildTable(families ...[]Desc) (t [maxKind]Desc) {
	for _, f := range families {
		for _, d := range f {
			if t[d.Kind].New != nil {
				panic("BUG: operator kind listed twice: " + d.Name)
			}
			t[d.Kind] = d
		}
	}
	return t
}

// Lookup describes a kind; ok is false for one this version does not know.
func Lookup(k Kind) (d Desc, ok bool) {
	if k >= maxKind || table[k].New == nil {
		return Desc{}, false
	}
	return table[k], true
}

// Kinds lists the operators in order of their numbers.
func Kinds() []Desc {
	var ds []Desc
	for _, d := range table {
		if d.New != nil {
			ds = append(ds, d)
		}
	}
	return ds
}

// String is the operator's name in printed graphs.
//
//go:noinline
func (k Kind) String() string {
	if n, ok := kindNames[k]; ok {
		return n
	}
	return fmt.Sprintf("op(%d)", uint16(k))
}

var kindNames = map[Kind]string{
	KindInput: "Input", KindConstant: "Constant", KindConv: "Conv", KindConvTranspose: "ConvTranspose",
	KindDense: "Dense", KindMatMul: "MatMul", KindBinary: "Binary", KindUnary: "Unary", KindPRelu: "PRelu",
	KindSoftmax: "Softmax", KindReduce: "Reduce", KindArgMax: "ArgMax", KindTopK: "TopK", KindPool: "Pool",
	KindGlobalPool: "GlobalPool", KindMaxUnpool: "MaxUnpool", KindBatchNorm: "BatchNorm", KindGroupNorm: "GroupNorm",
	KindLayerNorm: "LayerNorm", KindLRN: "LRN", KindConcat: "Concat", KindSlice: "Slice", KindPad: "Pad",
	KindReshape: "Reshape", KindTranspose: "Transpose", KindGather: "Gather", KindResize: "Resize",
	KindDepthToSpace: "DepthToSpace", KindSpaceToDepth: "SpaceToDepth", KindCol2Im: "Col2Im", KindCast: "Cast",
	KindDropout: "Dropout", KindIdentity: "Identity", KindExpand: "Expand", KindTile: "Tile", KindWhere: "Where",
	KindCompare: "Compare", KindLogic: "Logic", KindGatherElements: "GatherElements", KindOneHot: "OneHot",
	KindCumSum: "CumSum", KindScatter: "Scatter", KindLpNorm: "LpNorm", KindQuantize: "Quantize", KindDequantize: "Dequantize",
	KindDynamicQuantize: "DynamicQuantize", KindQLinearConv: "QLinearConv", KindQLinearMatMul: "QLinearMatMul",
	KindConvInteger: "ConvInteger", KindMatMulInteger: "MatMulInteger",
	KindSoftmaxCrossEntropy: "SoftmaxCrossEntropy", KindNLLLoss: "NLLLoss", KindMSELoss: "MSELoss", KindBCELoss: "BCELoss",
}
