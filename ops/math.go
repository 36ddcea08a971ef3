package ops

var mathOps = []Desc{
	{KindDense, "Dense", func() Op { return new(Dense) }},
	{KindMatMul, "MatMul", func() Op { return new(MatMul) }},
	{KindSoftmax, "Softmax", func() Op { return new(Softmax) }},
	{KindReduce, "Reduce", func() Op { return new(Reduce) }},
	{KindArgMax, "ArgMax", func() Op { return new(ArgMax) }},
	{KindTopK, "TopK", func() Op { return new(TopK) }},
	{KindCumSum, "CumSum", func() Op { return new(CumSum) }},
	{KindBatchNorm, "BatchNorm", func() Op { return new(BatchNorm) }},
	{KindGroupNorm, "GroupNorm", func() Op { return new(GroupNorm) }},
	{KindLayerNorm, "LayerNorm", func() Op { return new(LayerNorm) }},
	{KindLRN, "LRN", func() Op { return new(LRN) }},
	{KindLpNorm, "LpNorm", func() Op { return new(LpNorm) }},
	{KindSoftmaxCrossEntropy, "SoftmaxCrossEntropy", func() Op { return new(SoftmaxCrossEntropy) }},
	{KindNLLLoss, "NLLLoss", func() Op { return new(NLLLoss) }},
	{KindMSELoss, "MSELoss", func() Op { return new(MSELoss) }},
	{KindBCELoss, "BCELoss", func() Op { return new(BCELoss) }},
}
