package ops

// UnaryFn is a function of one number. The numbers are part of the file format.
type UnaryFn uint8

// The functions; A and B are the parameters of Unary and Act.
const (
	UnaryNone        UnaryFn = 0
	UnaryRelu        UnaryFn = 1  // max(x, 0)
	UnaryClip        UnaryFn = 2  // min(max(x, A), B)
	UnaryLeakyRelu   UnaryFn = 3  // x < 0 ? A*x : x
	UnaryElu         UnaryFn = 4  // x < 0 ? A*(exp(x)-1) : x
	UnarySelu        UnaryFn = 5  // B*(x > 0 ? x : A*(exp(x)-1))
	UnaryCelu        UnaryFn = 6  // max(0,x) + min(0, A*(exp(x/A)-1))
	UnarySigmoid     UnaryFn = 7  // 1/(1+exp(-x))
	UnaryHardSigmoid UnaryFn = 8  // max(0, min(1, A*x+B))
	UnaryHardSwish   UnaryFn = 9  // x * max(0, min(1, x/6+1/2))
	UnarySwish       UnaryFn = 10 // x * sigmoid(A*x); A = 0 stands for 1
	UnaryMish        UnaryFn = 11 // x * tanh(softplus(x))
	UnaryGelu        UnaryFn = 12 // x/2 * (1+erf(x/sqrt 2)); with A = 1 the tanh approximation
	UnaryTanh        UnaryFn = 13
	UnarySoftplus    UnaryFn = 14 // log(1+exp(x))
	UnarySoftsign    UnaryFn = 15 // x/(1+|x|)
	UnaryExp         UnaryFn = 16
	UnaryLog         UnaryFn = 17
	UnarySqrt        UnaryFn = 18
	UnaryAbs         UnaryFn = 19
	UnaryNeg         UnaryFn = 20
	UnaryReciprocal  UnaryFn = 21
	UnaryErf         UnaryFn = 22
	UnaryFloor       UnaryFn = 23
	UnaryCeil        UnaryFn = 24
	UnaryRound       UnaryFn = 25 // half to even
	UnarySign        UnaryFn = 26
	UnarySin         UnaryFn = 27
	UnaryCos         UnaryFn = 28
	UnaryThreshold   UnaryFn = 29 // x > A ? x : 0 (ThresholdedRelu)
	UnaryShrink      UnaryFn = 30 // x < -A ? x+B : x > A ? x-B : 0
	UnaryRsqrt       UnaryFn = 31
	UnarySquare      UnaryFn = 32
	UnaryLogSigmoid  UnaryFn = 33
	UnaryTan         UnaryFn = 34
	UnarySinh        UnaryFn = 35
	UnaryCosh        UnaryFn = 36
	UnaryAsin        UnaryFn = 37
	UnaryAcos        UnaryFn = 38
	UnaryAtan        UnaryFn = 39
	UnaryAsinh       UnaryFn = 40
	UnaryAcosh       UnaryFn = 41
	UnaryAtanh       UnaryFn = 42
)
