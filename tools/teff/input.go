package main

import (
	"flag"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/imageio"
)

// preFlags are the flags that say how an image becomes the input.
type preFlags struct {
	set  *flag.FlagSet
	p    format.Preprocess
	mean floats
	std  floats
	sc   floats
}

// floats is a flag of comma separated numbers.
type floats []float32

func (l *floats) String() string { return fmt.Sprint([]float32(*l)) }
func (l *floats) Set(s string) error {
	*l = nil
	for _, f := range strings.Split(s, ",") {
		v, err := strconv.ParseFloat(f, 32)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%q is no number", f)
		}
		*l = append(*l, float32(v))
	}
	return nil
}

func preprocessFlags(f *flags) *preFlags {
	p := &preFlags{set: f.FlagSet}
	f.Var(&p.sc, "scale", "factor of pixel values 0 to 255 before mean and std; 0: none. 1/255 where neither the model nor --scale, --mean or --std says what it takes")
	f.Var(&p.mean, "mean", "subtracted from each channel, after --scale: M or R,G,B")
	f.Var(&p.std, "std", "divides each channel: S or R,G,B")
	f.IntVar(&p.p.Resize, "resize", 0, "shorter side before the middle is cut out; 0: stretch to the input's size")
	f.Var(oneOf{&p.p.Mode, imageio.Modes()}, "resize-mode", "nearest, bilinear, bilinear-legacy, antialias or area")
	f.Var(oneOf{&p.p.Order, []string{"rgb", "bgr", "gray"}}, "order", "rgb, bgr or gray")
	f.Var(oneOf{&p.p.Layout, []string{"nhwc", "nchw"}}, "layout", "nhwc or nchw")
	return p
}

// given is what the model says with what the flags say instead; nil when
// neither says anything.
func (f *preFlags) given(model *format.Preprocess) *format.Preprocess {
	p := format.Preprocess{}
	any := model != nil
	if any {
		p = *model
	}
	f.set.Visit(func(fl *flag.Flag) {
		known := true
		switch fl.Name {
		case "scale":
			p.Scale = f.sc[len(f.sc)-1]
		case "mean":
			p.Mean = f.mean
		case "std":
			p.Std = f.std
		case "resize":
			p.Resize = f.p.Resize
		case "resize-mode":
			p.Mode = f.p.Mode
		case "order":
			p.Order = f.p.Order
		case "layout":
			p.Layout = f.p.Layout
		default:
			known = false
		}
		any = any || known
	})
	if !any {
		return nil
	}
	return &p
}

// scaled reports that the model or a flag says what pixels are scaled to. How
// they are cut and ordered does not say it.
func (f *preFlags) scaled(model *format.Preprocess) bool {
	return model != nil || len(f.sc) > 0 || f.mean != nil || f.std != nil
}

// fit is given, completed from the model's first input.
func (f *preFlags) fit(m *model, in tensor.Spec) (format.Preprocess, error) {
	said := m.metadata().Preprocess
	p := f.given(said)
	if p == nil {
		p = &format.Preprocess{}
	}
	if !f.scaled(said) && (in.DType == tensor.F32 || in.DType == tensor.F16) {
		// Nothing is known: 0 to 1 is what most float models want.
		p.Scale = 1.0 / 255
	}
	return imageio.Fit(*p, in)
}

// copyInput copies x into t. A shape that differs only by extents of 1 will do.
func copyInput(path string, t, x tensor.Tensor) error {
	if x.DType != t.DType || !sameButOnes(x.Shape, t.Shape) {
		return fmt.Errorf("%s: holds %v[%v], the input is %v[%v]", path, x.DType, x.Shape, t.DType, t.Shape)
	}
	copy(t.Data, x.Data)
	return nil
}

func sameButOnes(a, b tensor.Shape) bool {
	strip := func(s tensor.Shape) (d []int) {
		for _, x := range s.Dims() {
			if x != 1 {
				d = append(d, x)
			}
		}
		return d
	}
	return fmt.Sprint(strip(a)) == fmt.Sprint(strip(b))
}
