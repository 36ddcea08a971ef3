package ops

// convPadTask copies lines of the input with their padding.
type convPadTask struct {
	k     *convGemm
	all   int // lines of all images
	lines int // of a part
	parts int
}

// copyMACs is how many multiply-adds of a product take as long as copying a float.
const copyMACs = 32

func (t *convPadTask) split(threads int) {
	n := parts(copyMACs*t.k.n*t.k.paddedFloat, taskMACs, threads)
	t.all = t.k.n * t.k.padW[0] * t.k.padW[1]
	t.lines = (t.all + n - 1) / n
	t.parts = (t.all + t.lines - 1) / t.lines
}

// Do copies some lines.
func (t *convPadTask) Do(a *Args, i, _ int) {
	k := t.k
	line := k.padW[2] * k.ic
	for j := i * t.lines; j < min(t.all, (i+1)*t.lines); j++ {
		h, plane := j%k.padW[1], j/k.padW[1]
		n, d := plane/k.padW[0], plane%k.padW[0]
		to := k.image(a, n)[(d*k.padW[1]+h)*line:][:line]
		if d -= k.PadLo[0]; uint(d) >= uint(k.In[0]) {
			h, d = k.PadLo[1]-1, 0 // padding
		}
		k.padLine(to, a.In[0].F32()[(n*k.In[0]+d)*k.In[1]*k.In[2]*k.ic:], h)
	}
}

// padLine copies a line of the padded plane src, the h-th with the padding.
func (k *convGemm) padLine(to, src []float32, h int) {
	left := k.PadLo[2] * k.ic
	have := min(k.In[2]*k.ic, len(to)-left)
	if h -= k.PadLo[1]; uint(h) >= uint(k.In[1]) || have <= 0 {
		clear(to)
		return
	}
	clear(to[:left])
	copy(to[left:], src[h*k.In[2]*k.ic:][:have])
	clear(to[left+have:])
}
