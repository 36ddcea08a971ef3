package kern

// PackedSize is the length of packed weights in floats for n columns and depth k.
func (g *GemmF32) PackedSize(n, k int) int { return g.packedColumns(n) * k }

func (g *GemmF32) packedColumns(n int) int { return packedColumns(n, g.NR, g.Half) }

// packedColumns is n rounded up to panels of nr, the last one half wide when that suffices.
func packedColumns(n, nr, half int) int {
	full, rest := n/nr*nr, n%nr
	switch {
	case rest == 0:
		return full
	case rest <= half:
		return full + half
	}
	return full + nr
}

// Pack lays weights out as panels of NR columns, [ceil(n/NR)][k][NR], zero filled; the last panel is Half wide when that
// suffices. w holds column j at w[j*ld : j*ld+k]: conv weights [oc][taps·ic] and dense weights [out][in] with ld = k.
// Column j's elements must be in the order of the product's taps.
func (g *GemmF32) Pack(dst, w []float32, n, k, ld int) { g.pack(dst, w, n, k, ld, 1) }

// PackKN is Pack for weights laid [k][n], row p at w[p*ld : p*ld+n]: the right side of a MatMul.
func (g *GemmF32) PackKN(dst, w []float32, n, k, ld int) { g.pack(dst, w, n, k, 1, ld) }

func (g *GemmF32) pack(dst, w []float32, n, k, sn, sk int) {
	dst = dst[:g.PackedSize(n, k)]
	for j := 0; j < n; j += g.NR {
		width := min(g.NR, g.packedColumns(n)-j)
		panel := dst[j*k : j*k+width*k]
		have := min(width, n-j)
		if have < width {
			clear(panel)
		}
		if sk == 1 {
			for c := range have {
				col := w[(j+c)*sn : (j+c)*sn+k]
				for p, v := range col {
					panel[p*width+c] = v
				}
			}
			continue
		}
		for p := range k {
			copy(panel[p*width:p*width+have], w[p*sk+j*sn:])
		}
	}
}

// Window is the geometry of a convolution over up to three spatial dimensions, slowest first; unused leading ones are 1
// (1-D: {1, 1, x}; 2-D: {1, y, x}) with stride and dilation 1.
type Window struct {
	In, Out, Kernel, Stride, Dilation [3]int
	Pad                               [3]int // before the first element of each dimension
	Pixel                             int    // elements from one input pixel to the next: the channels of the tensor
}

// Taps is the number of kernel positions.
func (w *Window) Taps() int { return w.Kernel[0] * w.Kernel[1] * w.Kernel[2] }

// Rows is the number of output positions of one image.
func (w *Window) Rows() int { return w.Out[0] * w.Out[1] * w.Out[2] }

// RowsSize is the length of an offset table for m rows in tiles of mr: [ceil(m/mr)][taps][mr].
func RowsSize(mr, m, taps int) int { return (m + mr - 1) / mr * taps * mr }

// Offset returns the element offset of the input pixel that output row m sees through tap t, or -1 in the padding.
func (w *Window) Offset(m, t int) int32 {
	ox, oy, oz := m%w.Out[2], m/w.Out[2]%w.Out[1], m/w.Out[2]/w.Out[1]
	kx, ky, kz := t%w.Kernel[2], t/w.Kernel[2]%w.Kernel[1], t/w.Kernel[2]/w.Kernel[1]
	x := ox*w.Stride[2] - w.Pad[2] + kx*w.Dilation[2]
	y := oy*w.Stride[1] - w.Pad[1] + ky*w.Dilation[1]
	z := oz*w.Stride[0] - w.Pad[0] + kz*w.Dilation[0]
	if x < 0 || y < 0 || z < 0 || x >= w.In[2] || y >= w.In[1] || z >= w.In[0] {
		return -1
	}
	return int32(((z*w.In[1]+y)*w.In[2] + x) * w.Pixel)
}

// FillRows writes the offset table of output rows [m0, m1) of one image, tiles of mr rows, tile by tile from m0:
// RowsSize(mr, m1-m0, w.Taps()) entries. Rows past m1 in the last tile get -1.
func (w *Window) FillRows(dst []int32, mr, m0, m1 int) {
	taps := w.Taps()
	for m := m0; m < m1; m += mr {
		for i := range mr {
			if m+i >= m1 {
				for t := range taps {
					dst[t*mr+i] = -1
				}
				continue
			}
			w.fillRow(dst[i:], mr, m+i)
		}
		dst = dst[taps*mr:]
	}
}

func (w *Window) fillRow(dst []int32, step, m int) {
	x0 := m%w.Out[2]*w.Stride[2] - w.Pad[2]
	y0 := m/w.Out[2]%w.Out[1]*w.Stride[1] - w.Pad[1]
	z0 := m/w.Out[2]/w.Out[1]*w.Stride[0] - w.Pad[0]
	at := 0
	for kz := range w.Kernel[0] {
		z := z0 + kz*w.Dilation[0]
		for ky := range w.Kernel[1] {
			y := y0 + ky*w.Dilation[1]
			inside := uint(z) < uint(w.In[0]) && uint(y) < uint(w.In[1])
			line := (z*w.In[1] + y) * w.In[2]
			for kx := range w.Kernel[2] {
				x := x0 + kx*w.Dilation[2]
				if inside && uint(x) < uint(w.In[2]) {
					dst[at] = int32((line + x) * w.Pixel)
				} else {
					dst[at] = -1
				}
				at += step
			}
		}
	}
}

// CheckRows reports whether every offset of a table stays inside n elements for taps of kc.
func CheckRows(rows []int32, n, kc int) bool {
	for _, r := range rows {
		if int(r)+kc > n {
			return false
		}
	}
	return true
}
