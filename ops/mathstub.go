package ops

func (*SoftmaxCrossEntropy) Prepare(*Prep) (Kernel, error) {
	return nil, errf(KindSoftmaxCrossEntropy, "no kernel yet")
}
func (*NLLLoss) Prepare(*Prep) (Kernel, error) { return nil, errf(KindNLLLoss, "no kernel yet") }
func (*MSELoss) Prepare(*Prep) (Kernel, error) { return nil, errf(KindMSELoss, "no kernel yet") }
func (*BCELoss) Prepare(*Prep) (Kernel, error) { return nil, errf(KindBCELoss, "no kernel yet") }
