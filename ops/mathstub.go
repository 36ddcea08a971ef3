package ops

func (*GroupNorm) Prepare(*Prep) (Kernel, error) { return nil, errf(KindGroupNorm, "no kernel yet") }
func (*LayerNorm) Prepare(*Prep) (Kernel, error) { return nil, errf(KindLayerNorm, "no kernel yet") }
func (*LRN) Prepare(*Prep) (Kernel, error)       { return nil, errf(KindLRN, "no kernel yet") }
func (*LpNorm) Prepare(*Prep) (Kernel, error)    { return nil, errf(KindLpNorm, "no kernel yet") }
func (*SoftmaxCrossEntropy) Prepare(*Prep) (Kernel, error) {
	return nil, errf(KindSoftmaxCrossEntropy, "no kernel yet")
}
func (*NLLLoss) Prepare(*Prep) (Kernel, error) { return nil, errf(KindNLLLoss, "no kernel yet") }
func (*MSELoss) Prepare(*Prep) (Kernel, error) { return nil, errf(KindMSELoss, "no kernel yet") }
func (*BCELoss) Prepare(*Prep) (Kernel, error) { return nil, errf(KindBCELoss, "no kernel yet") }
