package kern

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
//
//go:noinline
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

// FillRows writes the offset table of output rows [m0, m1) of one image, tiles of mr rows (16 at most) or of cut's heights,
// tile by tile from m0: RowsSize(mr, m1-m0, w.Taps()) entries. What is behind a tile's rows, or behind m1, means nothing.
func (w *Window) FillRows(dst []int32, mr int, cut Tiles, m0, m1 int) {
	var y, x, lin, z, none, step, stepLin [16]int32
	plane := w.Kernel[1] * w.Kernel[2]
	t := tapTile{stride: 4 * mr, kh: w.Kernel[1], kw: w.Kernel[2], h: int32(w.In[1]), w: int32(w.In[2]),
		dh: int32(w.Dilation[1]), dw: int32(w.Dilation[2]), row: int32(w.Dilation[1] * w.In[2] * w.Pixel), col: int32(w.Dilation[2] * w.Pixel), rows: mr}
	for i := range mr {
		step[i], stepLin[i] = int32(i*w.Stride[2]), int32(i*w.Stride[2]*w.Pixel)
	}
	ox, oy, oz := m0%w.Out[2], m0/w.Out[2]%w.Out[1], m0/w.Out[2]/w.Out[1]
	n := 0           // rows of a tile
	var like []int32 // a tile that sees no padding, and its lin0: the next such one differs by that alone
	var likeLin int32
	for i, m := 0, m0; m < m1; i, m = i+1, m+n {
		n = cut.height(i, mr, m1-m)
		if w.Kernel[0] == 1 && w.In[0] == 1 && w.Pad[0] == 0 && ox+n <= w.Out[2] { // all in one line of the image
			t.y, t.x, t.lin = &none, &step, &stepLin
			t.y0, t.x0 = int32(oy*w.Stride[1]-w.Pad[1]), int32(ox*w.Stride[2]-w.Pad[2])
			t.lin0 = (t.y0*t.w + t.x0) * int32(w.Pixel)
			t.dst = dst[:plane*mr]
			inside := t.inside()
			if inside && like != nil {
				for i, v := range like[:len(t.dst)] {
					t.dst[i] = v + t.lin0 - likeLin
				}
			} else {
				tapOffsets(&t)
			}
			if inside && !tapsAsm() {
				like, likeLin = t.dst, t.lin0
			}
			dst = dst[plane*mr:]
			if ox += n; ox == w.Out[2] {
				ox, oy = 0, oy+1
			}
			continue
		}
		t.y, t.x, t.lin, t.y0, t.x0, t.lin0 = &y, &x, &lin, 0, 0, 0
		for i := range mr {
			if i >= n {
				z[i] = outside
				continue
			}
			z[i] = int32(oz*w.Stride[0] - w.Pad[0])
			y[i] = int32(oy*w.Stride[1] - w.Pad[1])
			x[i] = int32(ox*w.Stride[2] - w.Pad[2])
			if ox++; ox == w.Out[2] {
				ox = 0
				if oy++; oy == w.Out[1] {
					oy, oz = 0, oz+1
				}
			}
		}
		y0 := y
		for kz := range w.Kernel[0] {
			y = y0
			for i := range mr {
				at := z[i] + int32(kz*w.Dilation[0])
				if uint32(at) >= uint32(w.In[0]) {
					y[i] = outside
				}
				lin[i] = ((at*t.h+y[i])*t.w + x[i]) * int32(w.Pixel)
			}
			t.dst = dst[:plane*mr]
			tapOffsets(&t)
			dst = dst[plane*mr:]
		}
	}
}

// outside is a coordinate that no tap brings into an image.
const outside = -1 << 30

// tapTile is one tile and one plane of taps; assembly knows the offsets (see TestWindowRows).
type tapTile struct {
	dst    []int32 // [kh][kw][rows]; assembly uses the pointer alone
	_      int
	y, x   *[16]int32 // the first tap's pixel of each row, from y0, x0
	lin    *[16]int32 // and its offset, from lin0
	h, w   int32
	dh, dw int32
	row    int32 // offset from one kernel row to the next
	col    int32 // and from one column to the next
	rows   int
	stride int // bytes from one tap to the next
	kh, kw int

	y0, x0, lin0 int32
}

// inside reports that rows in one line of an image see no padding.
func (t *tapTile) inside() bool {
	return t.y0 >= 0 && t.x0 >= 0 && t.y0+int32(t.kh-1)*t.dh < t.h && t.x0+t.x[t.rows-1]+int32(t.kw-1)*t.dw < t.w
}

func tapOffsetsGeneric(t *tapTile) {
	dst := t.dst
	for ky := range t.kh {
		for kx := range t.kw {
			out := dst[:t.rows]
			for i := range out {
				y, x := t.y0+t.y[i]+int32(ky)*t.dh, t.x0+t.x[i]+int32(kx)*t.dw
				v := t.lin0 + t.lin[i] + int32(ky)*t.row + int32(kx)*t.col
				if uint32(y) >= uint32(t.h) || uint32(x) >= uint32(t.w) {
					v = -1
				}
				out[i] = v
			}
			dst = dst[t.rows:]
		}
	}
}
