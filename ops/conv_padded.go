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

// Do copies some lines, those of a plane one after the other.
func (t *convPadTask) Do(a *Args, i, _ int) {
	k := t.k
	x, line := f32(&a.In[0]), k.padW[2]*k.ic
	for j, end := i*t.lines, min(t.all, (i+1)*t.lines); j < end; {
		h, plane := j%k.padW[1], j/k.padW[1]
		n, d := plane/k.padW[0], plane%k.padW[0]
		last := min(k.padW[1], h+end-j)
		to := k.image(a, n)[d*k.padW[1]*line:]
		j += last - h
		if d -= k.PadLo[0]; uint(d) >= uint(k.In[0]) {
			clear(to[h*line : last*line])
			continue
		}
		src := x[(n*k.In[0]+d)*k.In[1]*k.In[2]*k.ic:]
		for ; h < last; h++ {
			k.padLine(to[h*line:][:line], src, h)
		}
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
