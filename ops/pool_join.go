package ops

// joinChannels takes trailing dimensions that the window does not touch as channels,
// where that makes long rows of short ones: [n, d, h, w, 1] pooled along d alone
// is [n, 1, 1, d, h*w].
func (k *poolKernel) joinChannels() bool {
	if k.pitch != k.c || k.c >= 16 {
		return false
	}
	joined := false
	for range 2 {
		if k.Kernel[2] != 1 || k.Stride[2] != 1 || k.In[2] != k.Out[2] || k.Out[2]*k.c > 1<<16 {
			break
		}
		k.c *= k.In[2]
		k.pitch = k.c
		for _, v := range []*[3]int{&k.Kernel, &k.Stride, &k.In, &k.Out, &k.Dilation} {
			*v = [3]int{1, v[0], v[1]}
		}
		k.PadLo, k.PadHi = [3]int{0, k.PadLo[0], k.PadLo[1]}, [3]int{0, k.PadHi[0], k.PadHi[1]}
		joined = true
	}
	return joined
}
