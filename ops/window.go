package ops

import (
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

// AutoPad says how a window's padding is found.
type AutoPad uint8

// The paddings: as given; output size ceil(in/stride) with the odd element
// after (upper) or before (lower); none.
const (
	PadExplicit  AutoPad = 0
	PadSameUpper AutoPad = 1
	PadSameLower AutoPad = 2
	PadValid     AutoPad = 3
)

// MaxSpatial is the largest number of spatial dimensions of a window.
const MaxSpatial = 3

// Window is how a kernel slides over the spatial dimensions: 1 to 3 of them.
// A nil slice means 1 everywhere (Kernel, Stride, Dilation) or 0 (PadLo, PadHi).
type Window struct {
	Kernel, Stride, Dilation []int
	PadLo, PadHi             []int // before and after
	Auto                     AutoPad
	Ceil                     bool // round the output size up instead of down (pooling)
}

func (w *Window) fields(f Fields) {
	f.Ints("kernel", &w.Kernel)
	f.Ints("stride", &w.Stride)
	f.Ints("dilation", &w.Dilation)
	f.Ints("pad_lo", &w.PadLo)
	f.Ints("pad_hi", &w.PadHi)
	FieldEnum(f, "auto_pad", &w.Auto)
	f.Bool("ceil", &w.Ceil)
}

// Geom is a window resolved for one input size, always with three spatial
// dimensions: those a 1-D or 2-D window lacks come first and are 1.
type Geom struct {
	Rank                     int // spatial dimensions the window really has
	In, Out                  [MaxSpatial]int
	Kernel, Stride, Dilation [MaxSpatial]int
	PadLo, PadHi             [MaxSpatial]int
}

// Taps is the number of kernel positions.
//
//go:noinline
func (g *Geom) Taps() int { return g.Kernel[0] * g.Kernel[1] * g.Kernel[2] }

// OutSize is the number of output positions of one image.
//
//go:noinline
func (g *Geom) OutSize() int { return g.Out[0] * g.Out[1] * g.Out[2] }

// InSize is the number of input positions of one image.
func (g *Geom) InSize() int { return g.In[0] * g.In[1] * g.In[2] }

// Pointwise reports a 1x1 window that visits every position once: a plain
// matrix product.
//
//go:noinline
func (g *Geom) Pointwise() bool {
	one, zero := [MaxSpatial]int{1, 1, 1}, [MaxSpatial]int{}
	return g.Kernel == one && g.Stride == one && g.PadLo == zero && g.PadHi == zero
}

// Shape is the output shape for n images of c channels: [n, spatial..., c].
func (g *Geom) Shape(n, c int) (tensor.Shape, error) {
	dims := append([]int{n}, g.Out[MaxSpatial-g.Rank:]...)
	return tensor.NewShape(append(dims, c)...)
}

// limit keeps products of window attributes far from overflow.
const limit = 1 << 24

// Resolve applies the window to an input of shape [n, spatial..., c]. kernel
// overrides w.Kernel where not nil (a convolution's comes from its weight).
func (w *Window) Resolve(k Kind, in tensor.Shape, kernel []int) (Geom, error) {
	var g Geom
	rank := in.Rank() - 2
	if rank < 1 || rank > MaxSpatial {
		return g, errf(k, "input %v has %d spatial dimensions, want 1 to %d", in, rank, MaxSpatial)
	}
	g.Rank = rank
	if kernel == nil {
		kernel = w.Kernel
	}
	for _, a := range []struct {
		name string
		v    []int
		dst  *[MaxSpatial]int
		def  int
		min  int
	}{
		{"kernel", kernel, &g.Kernel, 1, 1}, {"stride", w.Stride, &g.Stride, 1, 1},
		{"dilation", w.Dilation, &g.Dilation, 1, 1},
		{"pad_lo", w.PadLo, &g.PadLo, 0, 0}, {"pad_hi", w.PadHi, &g.PadHi, 0, 0},
	} {
		if a.v != nil && len(a.v) != rank {
			return g, errf(k, "%s %v has %d entries for %d spatial dimensions", a.name, a.v, len(a.v), rank)
		}
		for i := range g.In {
			a.dst[i] = a.def
		}
		for i, x := range a.v {
			if x < a.min || x > limit {
				return g, errf(k, "%s %v", a.name, a.v)
			}
			a.dst[MaxSpatial-rank+i] = x
		}
	}
	for i := range g.In {
		g.In[i], g.Out[i] = 1, 1
	}
	for i := MaxSpatial - rank; i < MaxSpatial; i++ {
		g.In[i] = in.Dim(1 + i - (MaxSpatial - rank))
		extent := (g.Kernel[i]-1)*g.Dilation[i] + 1
		switch w.Auto {
		case PadExplicit:
		case PadValid:
			g.PadLo[i], g.PadHi[i] = 0, 0
		case PadSameUpper, PadSameLower:
			out := (g.In[i] + g.Stride[i] - 1) / g.Stride[i]
			pad := max(0, (out-1)*g.Stride[i]+extent-g.In[i])
			g.PadLo[i], g.PadHi[i] = pad/2, pad-pad/2
			if w.Auto == PadSameLower {
				g.PadLo[i], g.PadHi[i] = g.PadHi[i], g.PadLo[i]
			}
		default:
			return g, errf(k, "padding mode %d", w.Auto)
		}
		room := g.In[i] + g.PadLo[i] + g.PadHi[i] - extent
		if room < 0 {
			at := ""
			if len(w.Dilation) > 0 {
				at = fmt.Sprintf(" at dilation %v", w.Dilation)
			}
			return g, errf(k, "kernel %v%s does not fit input %v with its padding", kernel, at, in)
		}
		g.Out[i] = room/g.Stride[i] + 1
		if w.Ceil && room%g.Stride[i] != 0 && g.Out[i]*g.Stride[i] < g.In[i]+g.PadLo[i] {
			// A last window is only there if it starts inside the input or the
			// padding before it.
			g.Out[i]++
		}
	}
	return g, nil
}
