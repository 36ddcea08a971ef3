package ops

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// distinctTensor is a shuffled series: a maximum stays one under small steps.
func distinctTensor(dims ...int) tensor.Tensor {
	x := tensor.New(tensor.F32Spec(dims...))
	n := len(x.F32())
	for i := range x.F32() {
		x.F32()[i] = float32((i*7919+13)%n-n/2) * 0.05
	}
	return x
}

// poolWindows are windows of one to three dimensions with their inputs' shapes.
func poolWindows() (ws []Window, shapes [][]int) {
	add := func(w Window, dims ...int) { ws, shapes = append(ws, w), append(shapes, dims) }
	add(Window{Kernel: []int{3}, Stride: []int{2}, PadLo: []int{1}, PadHi: []int{1}}, 2, 9, 3)
	add(Window{Kernel: []int{2, 2}, Stride: []int{2, 2}}, 2, 6, 4, 5)
	add(Window{Kernel: []int{3, 2}, Stride: []int{2, 1}, PadLo: []int{1, 0}, PadHi: []int{1, 1}, Ceil: true}, 1, 6, 5, 17)
	add(Window{Kernel: []int{3, 3}, Stride: []int{2, 2}, Dilation: []int{2, 1}, Auto: PadSameUpper}, 1, 7, 8, 4)
	add(Window{Kernel: []int{2, 3}, Stride: []int{1, 2}, Auto: PadSameLower}, 2, 5, 8, 1)
	add(Window{Kernel: []int{3, 3}, Stride: []int{3, 3}, Ceil: true}, 1, 8, 8, 2)
	add(Window{Kernel: []int{2, 2, 2}, Stride: []int{1, 2, 2}, PadLo: []int{1, 0, 0}, PadHi: []int{0, 0, 1}}, 1, 3, 4, 5, 3)
	return ws, shapes
}

func TestPoolFastAndGradients(t *testing.T) {
	ws, shapes := poolWindows()
	for i, w := range ws {
		for _, op := range []*Pool{
			{Window: w, Fn: PoolMax},
			{Window: w, Fn: PoolAvg},
			{Window: w, Fn: PoolAvg, CountIncludePad: true},
			{Window: w, Fn: PoolLp, P: 3},
		} {
			x := distinctTensor(shapes[i]...)
			if op.Fn == PoolLp {
				x = awayFrom(3, 0.2, []float64{0}, shapes[i]...)
			}
			checkFast(t, op, []tensor.Tensor{x}, nil, 1e-6)
			o := gradOptions{}
			if op.Fn == PoolMax {
				o.Step = 0.01 // neighbours in value are 0.05 apart
			}
			checkGradWith(t, op, []tensor.Tensor{x}, nil, o)

			relu := *op
			relu.Act = Relu
			checkFast(t, &relu, []tensor.Tensor{x}, nil, 1e-6)
		}
	}
}

// TestPoolDepth: three dimensions cut into bands, with windows that lie in the
// padding, and into a wider tensor.
func TestPoolDepth(t *testing.T) {
	for _, c := range []struct {
		w Window
		x []int
	}{
		{Window{Kernel: []int{2, 3, 3}, Stride: []int{2, 2, 2}, PadLo: []int{1, 1, 1}, PadHi: []int{1, 1, 1}}, []int{2, 5, 67, 35, 40}},
		{Window{Kernel: []int{3, 1, 2}, Dilation: []int{2, 1, 1}, PadLo: []int{2, 0, 0}, PadHi: []int{2, 0, 1}}, []int{1, 3, 6, 5, 7}},
		{Window{Kernel: []int{2, 2, 2}, PadLo: []int{4, 3, 3}, PadHi: []int{4, 1, 3}}, []int{1, 3, 6, 5, 7}},
		{Window{Kernel: []int{1, 2, 2}, Stride: []int{1, 2, 2}, Ceil: true}, []int{1, 3, 5, 7, 9}},
	} {
		for _, op := range []*Pool{{Window: c.w}, {Window: c.w, Fn: PoolAvg, Act: Relu}, {Window: c.w, Fn: PoolAvg, CountIncludePad: true}} {
			if c.w.Ceil && op.CountIncludePad {
				continue // the plain path's
			}
			x := normalTensor(1, c.x...)
			checkFast(t, op, []tensor.Tensor{x}, nil, 1e-6)
			want, err := Run(op, []tensor.Tensor{x}, nil)
			require.NoError(t, err)
			ch, rows := want.Shape.Channels(), want.Shape.Rows()
			pitch := ch + 3
			p := &Prep{In: []tensor.Spec{x.Spec}, Out: want.Spec, Threads: 1, OutPitch: pitch}
			k, err := op.Prepare(p)
			require.NoError(t, err)
			require.Equal(t, "pool/depth", p.Requests().Path)
			wide := make([]float32, rows*pitch)
			out := tensor.Tensor{Spec: want.Spec, Data: tensor.BytesOf(wide)[:4*(rows*pitch-3)]}
			k.Run(&Args{In: []tensor.Tensor{x}, Out: out, Scratch: tensor.AlignedBytes(p.Requests().Scratch)})
			for r := range rows {
				for i, v := range wide[r*pitch : (r+1)*pitch] {
					if i >= ch {
						require.Zero(t, v, "between rows")
					} else if w := want.F32()[r*ch+i]; v != w { // infinities are equal
						require.InDelta(t, w, v, 1e-6)
					}
				}
			}
		}
	}
}

// TestPoolTrainsAsItInfers holds the kernel that notes the winning taps, also
// into a wider tensor, to the plain one.
// TestPoolJoins is windows that leave the last dimensions alone.
func TestPoolJoins(t *testing.T) {
	for _, fn := range []PoolFn{PoolMax, PoolAvg} {
		for _, pad := range []bool{false, true} {
			for _, c := range []int{1, 3} {
				deep := Window{Kernel: []int{5, 1, 1}, Stride: []int{1, 1, 1}, PadLo: []int{2, 0, 0}, PadHi: []int{2, 0, 0}}
				checkFast(t, &Pool{Fn: fn, Window: deep, CountIncludePad: pad}, []tensor.Tensor{normalTensor(1, 2, 9, 4, 5, c)}, nil, 1e-6)
				flat := Window{Kernel: []int{3, 1}, Stride: []int{2, 1}}
				checkFast(t, &Pool{Fn: fn, Window: flat, CountIncludePad: pad}, []tensor.Tensor{normalTensor(1, 2, 9, 5, c)}, nil, 1e-6)
			}
		}
	}
}

func TestPoolTrainsAsItInfers(t *testing.T) {
	ws, shapes := poolWindows()
	for i, w := range ws {
		for _, act := range []Act{{}, Relu} {
			op := &Pool{Window: w, Act: act}
			x := []tensor.Tensor{distinctTensor(shapes[i]...)}
			want, err := Run(op, x, nil)
			require.NoError(t, err)
			p := &Prep{In: Specs(x), Out: want.Spec, Threads: 2, Training: true}
			k, err := op.PrepareLive(p)
			require.NoError(t, err)
			got := tensor.New(want.Spec)
			k.Run(&Args{In: x, Out: got, Aux: make([]byte, p.Requests().Aux), Pool: closing(t, 2)})
			require.Equal(t, want.F32(), got.F32())

			c := want.Shape.Channels()
			p = &Prep{In: Specs(x), Out: want.Spec, Threads: 1, Training: true, OutPitch: c + 2}
			k, err = op.PrepareLive(p)
			require.NoError(t, err)
			wide := tensor.New(tensor.F32Spec(want.Shape.Rows(), c+2))
			for j := range wide.F32() {
				wide.F32()[j] = -77
			}
			k.Run(&Args{In: x, Out: wide, Aux: make([]byte, p.Requests().Aux)})
			for r := range want.Shape.Rows() {
				row := wide.F32()[r*(c+2):][:c+2]
				require.Equal(t, want.F32()[r*c:(r+1)*c], row[:c])
				require.Equal(t, []float32{-77, -77}, row[c:], "written beyond the row")
			}
		}
	}
}

// TestPoolWindowInPadding has windows that see nothing of the input.
func TestPoolWindowInPadding(t *testing.T) {
	inf := float32(math.Inf(-1))
	op := &Pool{Window: Window{Kernel: []int{1}, PadLo: []int{1}, PadHi: []int{1}}}
	x := []tensor.Tensor{tensor.FromF32([]float32{-3, 4}, 1, 2, 1)}
	p := &Prep{In: Specs(x), Threads: 1, Training: true}
	var err error
	p.Out, err = op.Infer(p.In, nil)
	require.NoError(t, err)
	k, err := op.PrepareLive(p)
	require.NoError(t, err)
	out, aux := tensor.New(p.Out), []byte{255, 255, 255, 255}
	k.Run(&Args{In: x, Out: out, Aux: aux})
	require.Equal(t, []float32{inf, -3, 4, inf}, out.F32())
	gk, err := op.Backward(&GradPrep{In: p.In, Out: p.Out, NeedIn: []bool{true}, Threads: 1})
	require.NoError(t, err)
	dx := tensor.New(x[0].Spec)
	gk.Run(&Grads{In: x, DOut: tensor.FromF32([]float32{10, 20, 30, 40}, 1, 4, 1), DIn: []tensor.Tensor{dx}, Aux: aux})
	require.Equal(t, []float32{20, 30}, dx.F32())
}

func TestPoolCountsPadding(t *testing.T) {
	x := []tensor.Tensor{tensor.FromF32([]float32{6, 12, 18, 24, 30}, 1, 5, 1)}
	// Kernel 3, stride 2, one of padding before: windows [p 6 12], [12 18 24]
	// and, with ceil, [24 30 -], whose last place is no padding.
	for _, c := range []struct {
		op   Pool
		want []float32
	}{
		{Pool{Fn: PoolAvg}, []float32{9, 18, 27}},
		{Pool{Fn: PoolAvg, CountIncludePad: true}, []float32{6, 18, 27}},
	} {
		c.op.Window = Window{Kernel: []int{3}, Stride: []int{2}, PadLo: []int{1}, PadHi: []int{0}, Ceil: true}
		out, err := Run(&c.op, x, nil)
		require.NoError(t, err)
		require.Equal(t, c.want, out.F32())
		checkFast(t, &c.op, x, nil, 1e-6)
	}
	// A window that would start beyond the input and its padding is dropped.
	op := &Pool{Window: Window{Kernel: []int{1}, Stride: []int{2}, Ceil: true}}
	s, err := op.Infer([]tensor.Spec{tensor.F32Spec(1, 4, 1)}, nil)
	require.NoError(t, err)
	require.Equal(t, tensor.Of(1, 2, 1), s.Shape)
}

func TestPoolIndices(t *testing.T) {
	// Two channels, maxima at known places of a 4x4 image.
	x := tensor.New(tensor.F32Spec(1, 4, 4, 2))
	for i, at := range []int{5, 2, 12, 11} { // one a quarter, channel 0
		x.F32()[at*2] = float32(i + 1)
	}
	w := Window{Kernel: []int{2, 2}, Stride: []int{2, 2}}
	channel0 := func(op *Pool) (v []int64) {
		out, err := Run(op, []tensor.Tensor{x}, nil)
		require.NoError(t, err)
		for i := 0; i < len(out.I64()); i += 2 {
			v = append(v, out.I64()[i])
		}
		return v
	}
	require.Equal(t, []int64{10, 4, 24, 22}, channel0(&Pool{Window: w, Output: 1}))
	require.Equal(t, []int64{5, 2, 12, 11}, channel0(&Pool{Window: w, Output: 1, IndexNCHW: true}))
	require.Equal(t, []int64{5, 8, 3, 14}, channel0(&Pool{Window: w, Output: 1, IndexNCHW: true, StorageOrder: 1}))
}

// TestPoolPlacesOfBatch: places count the whole input, so those of an image depend on how many come before it.
func TestPoolPlacesOfBatch(t *testing.T) {
	w := Window{Kernel: []int{2, 2}, Stride: []int{2, 2}}
	x := tensor.New(tensor.F32Spec(3, 4, 4, 2))
	for i := range x.F32() {
		x.F32()[i] = float32(i * 7 % 13)
	}
	for _, op := range []*Pool{{Window: w}, {Window: w, Output: 1}, {Window: w, Output: 1, IndexNCHW: true}} {
		checkApart(t, op, []tensor.Tensor{x}, nil)
	}
}

// TestPoolBytes: the smallest byte is a maximum too, at the window's own first
// place.
func TestPoolBytes(t *testing.T) {
	w := Window{Kernel: []int{2, 2}, Stride: []int{2, 2}}
	for _, d := range []tensor.DType{tensor.I8, tensor.U8} {
		x := tensor.New(tensor.Spec{DType: d, Shape: tensor.Of(1, 4, 4, 1)})
		if d == tensor.I8 {
			for i := range x.Data {
				x.Data[i] = 0x80
			}
		}
		for _, training := range []bool{false, true} {
			out, err := RunPrepared(&Pool{Window: w, Output: 1}, []tensor.Tensor{x}, nil, &Prep{Training: training}, nil)
			require.NoError(t, err)
			require.Equal(t, []int64{0, 2, 8, 10}, out.I64())
			out, err = RunPrepared(&Pool{Window: w}, []tensor.Tensor{x}, nil, &Prep{Training: training}, nil)
			require.NoError(t, err)
			require.Equal(t, x.Data[:4], out.Data)
		}
	}
	out, err := Run(&Pool{Window: w}, []tensor.Tensor{tensor.FromI8([]int8{-5, -128, 3, -1}, 1, 2, 2, 1)}, nil)
	require.NoError(t, err)
	require.Equal(t, []byte{3}, out.Data)
}

func TestPoolRefuses(t *testing.T) {
	one := []int{1, 1}
	for name, c := range map[string]struct {
		op Pool
		x  tensor.Spec
	}{
		"no kernel":         {Pool{}, tensor.F32Spec(1, 4, 4, 1)},
		"kernel too large":  {Pool{Window: Window{Kernel: []int{5, 5}}}, tensor.F32Spec(1, 4, 4, 1)},
		"wrong rank":        {Pool{Window: Window{Kernel: []int{2}}}, tensor.F32Spec(1, 4, 4, 1)},
		"only padding":      {Pool{Window: Window{Kernel: one, PadLo: one, PadHi: one}}, tensor.F32Spec(1, 0, 4, 1)},
		"indices of a mean": {Pool{Window: Window{Kernel: one}, Fn: PoolAvg, Output: 1}, tensor.F32Spec(1, 4, 4, 1)},
		"integers":          {Pool{Window: Window{Kernel: one}}, tensor.Spec{DType: tensor.I32, Shape: tensor.Of(1, 4, 4, 1)}},
		"activated bytes":   {Pool{Window: Window{Kernel: one}, Act: Relu}, tensor.Spec{DType: tensor.I8, Shape: tensor.Of(1, 4, 4, 1)}},
	} {
		_, err := c.op.Infer([]tensor.Spec{c.x}, nil)
		require.Error(t, err, name)
	}
	big := &Pool{Window: Window{Kernel: []int{17, 17}}}
	_, err := big.PrepareLive(&Prep{In: []tensor.Spec{tensor.F32Spec(1, 17, 17, 1)}, Out: tensor.F32Spec(1, 1, 1, 1), Training: true})
	require.ErrorContains(t, err, "too large to train")
}

func TestGlobalPool(t *testing.T) {
	for _, dims := range [][]int{{2, 5, 3}, {3, 4, 5, 7}, {1, 2, 3, 4, 2}} {
		for _, op := range []*GlobalPool{{Fn: PoolMax}, {Fn: PoolAvg}, {Fn: PoolLp}, {Fn: PoolLp, P: 3}} {
			x := distinctTensor(dims...)
			o := gradOptions{Step: 0.01}
			switch op.Fn {
			case PoolLp:
				x, o = awayFrom(5, 0.2, []float64{0}, dims...), gradOptions{}
			case PoolAvg:
				o = gradOptions{Step: 0.5} // linear: rounding is all there is
			}
			checkFast(t, op, []tensor.Tensor{x}, nil, 1e-6)
			checkGradWith(t, op, []tensor.Tensor{x}, nil, o)
		}
	}
	for _, fn := range []PoolFn{PoolMax, PoolAvg} { // by positions, in eight parts and in five
		checkFast(t, &GlobalPool{Fn: fn}, []tensor.Tensor{normalTensor(3, 2, 60, 66, 40)}, nil, 1e-6)
		checkFast(t, &GlobalPool{Fn: fn}, []tensor.Tensor{normalTensor(3, 1, 25, 85, 50)}, nil, 1e-6)
	}
	out, err := Run(&GlobalPool{Fn: PoolLp}, []tensor.Tensor{tensor.FromF32([]float32{3, 1, 4, 2}, 1, 2, 2)}, nil)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float32{5, float32(math.Sqrt(5))}, out.F32(), 1e-6)
}

// TestMaxUnpool undoes a pooling in both index orders, and into a larger image.
func TestMaxUnpool(t *testing.T) {
	w := Window{Kernel: []int{2, 2}, Stride: []int{2, 2}}
	x := distinctTensor(2, 4, 6, 3)
	for i := range x.F32() {
		x.F32()[i] = float32(math.Abs(float64(x.F32()[i]))) + 1
	}
	for _, nchw := range []bool{false, true} {
		y, err := Run(&Pool{Window: w}, []tensor.Tensor{x}, nil)
		require.NoError(t, err)
		idx, err := Run(&Pool{Window: w, Output: 1, IndexNCHW: nchw}, []tensor.Tensor{x}, nil)
		require.NoError(t, err)
		op := &MaxUnpool{Window: w, IndexNCHW: nchw}
		back, err := Run(op, []tensor.Tensor{y, idx}, nil)
		require.NoError(t, err)
		require.Equal(t, x.Shape, back.Shape)
		found := 0
		for i, v := range back.F32() {
			if v != 0 {
				require.Equal(t, x.F32()[i], v)
				found++
			}
		}
		require.Equal(t, len(y.F32()), found)
		checkFast(t, op, []tensor.Tensor{y, idx}, nil, 0)
		checkGrad(t, op, []tensor.Tensor{y, idx}, nil)
		checkGrad(t, op, []tensor.Tensor{y}, []tensor.Tensor{idx})

		large := &MaxUnpool{Window: w, IndexNCHW: nchw, OutputShape: []int{2, 5, 7, 3}}
		wide, err := Run(large, []tensor.Tensor{y, idx}, nil)
		require.NoError(t, err)
		for n := range 2 {
			for h := range 4 {
				a, b := ((n*4)+h)*6*3, ((n*5)+h)*7*3
				require.Equal(t, back.F32()[a:a+18], wide.F32()[b:b+18])
			}
		}
	}
	// Values put in one place: the last stays, and alone has a gradient.
	// Indices outside are ignored.
	y := tensor.FromF32([]float32{1, 2, 3, 4}, 1, 4, 1)
	idx := tensor.FromI64([]int64{3, 3, -1, 99}, 1, 4, 1)
	op := &MaxUnpool{Window: Window{Kernel: []int{2}, Stride: []int{2}}}
	out, err := Run(op, []tensor.Tensor{y, idx}, nil)
	require.NoError(t, err)
	require.Equal(t, []float32{0, 0, 0, 2, 0, 0, 0, 0}, out.F32())
	checkGrad(t, op, []tensor.Tensor{y, idx}, nil)
}
