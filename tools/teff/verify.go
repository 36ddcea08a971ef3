package main

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

type verifyResult struct {
	OK        bool             `json:"ok"`
	Sections  []format.Section `json:"sections"`
	Golden    string           `json:"golden"`    // none, equal, or the largest relative difference
	Signature string           `json:"signature"` // none, or why there is nothing to check it with
	Error     string           `json:"error,omitempty"`
}

func runVerify(ctx context.Context, c *cli, args []string) error {
	f := newFlags(c, "verify", "MODEL")
	pos, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	r := verifyResult{Sections: []format.Section{}, Golden: "none", Signature: "none"}
	err = r.check(ctx, pos[0])
	if f.json {
		if r.OK = err == nil; !r.OK {
			r.Error = err.Error()
		}
		if e := printJSON(c.out, r); err == nil {
			err = e
		}
		return err
	}
	if err != nil {
		return err
	}
	for _, s := range r.Sections {
		fmt.Fprintf(c.out, "%-10s %9d bytes at %-9d crc %08x\n", s.Name, s.Length, s.Offset, s.CRC32C)
	}
	fmt.Fprintf(c.out, "signature: %s\ngolden output: %s\nok\n", r.Signature, r.Golden)
	return nil
}

// check looks at everything a file says of itself.
func (r *verifyResult) check(ctx context.Context, path string) error {
	file, err := openSealed(path)
	if err != nil {
		return named(path, err)
	}
	defer file.Close()
	r.Sections = file.Sections
	for _, s := range file.Sections {
		if s.Kind == format.SectionSign {
			r.Signature = "there is one, which this version cannot check"
		}
	}
	if err := file.Check(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if file.Golden != nil {
		if r.Golden, err = checkGolden(ctx, file); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// openSealed opens a .teff file; of another it says what it is, where that can be told.
func openSealed(path string) (*format.File, error) {
	head, all, err := begin(path)
	if err != nil {
		return nil, err
	}
	if !format.IsTeff(head) {
		if why := foreign(head); why != "" {
			return nil, errors.New(why)
		}
		return nil, fmt.Errorf("%w: other files hold no checksums to verify", format.ErrMagic)
	}
	if all != nil {
		return format.Parse(all)
	}
	return format.Open(path)
}

// checkGolden runs the recorded input and compares.
func checkGolden(ctx context.Context, file *format.File) (string, error) {
	m, err := runtime.New(file.Graph)
	if err != nil {
		return "", err
	}
	defer m.Close()
	g := file.Golden
	batch := 1
	if m.Compiled().Batched() && len(g.Inputs) > 0 && g.Inputs[0].Shape.Rank() > 0 {
		batch = g.Inputs[0].Shape.Dim(0)
	}
	var so []runtime.SessionOption
	if batch > 1 {
		so = append(so, runtime.WithBatch(batch))
	}
	s, err := m.NewSession(so...)
	if err != nil {
		return "", err
	}
	if len(g.Inputs) != s.NumInputs() || len(g.Outputs) != s.NumOutputs() {
		return "", fmt.Errorf("golden section holds %d inputs and %d outputs, the model has %d and %d", len(g.Inputs), len(g.Outputs), s.NumInputs(), s.NumOutputs())
	}
	for i, x := range g.Inputs {
		if !x.Spec.Equal(s.Input(i).Spec) {
			return "", fmt.Errorf("golden input %d is %v, the model's is %v", i, x.Spec, s.Input(i).Spec)
		}
		copy(s.Input(i).Data, x.Data)
	}
	if err := s.Run(ctx); err != nil {
		return "", err
	}
	worst := 0.0
	for i, want := range g.Outputs {
		got := s.Output(i)
		if !got.Spec.Equal(want.Spec) {
			return "", fmt.Errorf("golden output %d is %v, the model's is %v", i, want.Spec, got.Spec)
		}
		d := difference(got, want)
		if !(d <= float64(g.Tolerance)) { // neither when one of them is no number
			return "", fmt.Errorf("output %d differs from the recorded one by %.3g of its norm, %.3g is allowed", i, d, g.Tolerance)
		}
		worst = max(worst, d)
	}
	if worst == 0 {
		return "equal", nil
	}
	return fmt.Sprintf("%.3g", worst), nil
}

// difference is the norm of a-b over that of b; for integers 0 or infinity.
func difference(a, b tensor.Tensor) float64 {
	if a.DType != tensor.F32 {
		if string(a.Data) != string(b.Data) {
			return math.Inf(1)
		}
		return 0
	}
	var d, n float64
	for i, v := range b.F32() {
		e := float64(a.F32()[i]) - float64(v)
		d += e * e
		n += float64(v) * float64(v)
	}
	if d == 0 {
		return 0
	}
	return math.Sqrt(d / n)
}
