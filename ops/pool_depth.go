package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// poolDepth is pooling over three dimensions: the two-dimensional pools of a
// window's slices, one joined to the other in bands of rows that stay in a
// first-level cache. A mean of means is right because all slices of a window that
// lie in the input have as many taps there.
type poolDepth struct {
	*poolKernel
	args        kern.PoolF32Args
	band, bands int
	room        int // floats of a worker's scratch: a slice's band
}

// depthRoom is the floats of a band.
const depthRoom = 8 << 10

// prepareDepth is nil where a window starts behind the input's last row.
func (k *poolKernel) prepareDepth(p *Prep) Kernel {
	if (k.Out[1]-1)*k.Stride[1]-k.PadLo[1] >= k.In[1] {
		return nil
	}
	row := k.Out[2] * k.c
	d := &poolDepth{poolKernel: k, args: k.op.args(&k.Geom, k.c, k.pitch)}
	d.band = min(k.Out[1], max(1, depthRoom/max(1, row)))
	d.bands = (k.Out[1] + d.band - 1) / d.band
	d.room = roundUp(d.band*row, 16)
	p.NeedScratch(4 * d.room * max(1, p.Threads))
	p.Path("pool/depth")
	return d
}

func (k *poolDepth) Run(a *Args) { a.Parallel(k.n*k.Out[0]*k.bands, k) }

// Do computes a band of one slice of the result.
func (k *poolDepth) Do(a *Args, i, worker int) {
	y0, slice := i%k.bands*k.band, i/k.bands
	n, z0 := slice/k.Out[0], slice%k.Out[0]*k.Stride[0]-k.PadLo[0]
	args, plane := k.args, k.In[1]*k.In[2]*k.c
	args.OH = min(k.band, k.Out[1]-y0)
	top := y0*k.Stride[1] - k.PadLo[1] // the input row of the band's first tap
	skip := max(0, top)
	args.PT, args.H = skip-top, k.In[1]-skip
	out := f32(&a.Out)[(slice*k.Out[1]+y0)*k.Out[2]*k.pitch:]
	room := tensor.CastSlice[float32](a.Scratch)[worker*k.room:][:args.OH*k.Out[2]*k.c]
	x := argF32(a, k.params, 0)[n*k.InSize()*k.c:]
	count := 0
	for t := range k.Kernel[0] {
		z := z0 + t*k.Dilation[0]
		if z < 0 || z >= k.In[0] {
			continue
		}
		args.In = x[z*plane+skip*k.In[2]*k.c : (z+1)*plane]
		if args.Out, args.OutPixel = out, k.pitch; count > 0 {
			args.Out, args.OutPixel = room, k.c
		}
		args.Run(0, args.OH)
		if count++; count > 1 {
			k.join(out, room)
		}
	}
	fill, factor := float32(negInf), float32(1)
	if args.Average {
		if fill = 0; count > 0 {
			factor = 1 / float32(count)
		}
		if args.CountPad {
			factor = 1 / float32(k.Kernel[0])
		}
	}
	for m := range args.OH * k.Out[2] {
		row := out[m*k.pitch:][:k.c]
		if count == 0 {
			for c := range row {
				row[c] = fill
			}
		} else if factor != 1 {
			kern.BinaryScalarF32(kern.Mul, row, row, factor, negInf, posInf)
		}
		if k.op.Act.Fn != UnaryNone {
			actRow(&k.op.Act, row)
		}
	}
}

// join adds a slice's results to those before it.
func (k *poolDepth) join(out, room []float32) {
	fn, step := kern.Max, k.c
	if k.args.Average {
		fn = kern.Add
	}
	if k.pitch == k.c {
		step = len(room)
	}
	for i, o := 0, 0; i < len(room); i, o = i+step, o+k.pitch {
		kern.BinaryF32(fn, out[o:o+step], out[o:o+step], room[i:i+step], negInf, posInf)
	}
}
