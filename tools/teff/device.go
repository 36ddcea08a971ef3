package main

import (
	"errors"
	"fmt"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/accel/cuda"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/runtime"
)

const deviceHelp = "cpu; cuda: NVIDIA's, in a teff built with the tag cuda; auto: cuda where it can run the model, else the CPU"

const precisionHelp = "what products are of: f32; bf16 where the processor is faster with it; with --device cuda also tf32 and f16"

// withPrecision is opts for a precision by its name.
func withPrecision(opts []runtime.Option, name, device string) ([]runtime.Option, error) {
	for _, p := range []ops.Precision{ops.PrecisionF32, ops.PrecisionBF16, ops.PrecisionTF32, ops.PrecisionF16} {
		if p.String() != name {
			continue
		}
		if p > ops.PrecisionBF16 && device == "cpu" {
			return nil, usagef("--precision %s: the CPU has f32 and bf16", name)
		}
		return append(opts, runtime.WithPrecision(p)), nil
	}
	return nil, usagef("--precision %q: f32, bf16, tf32 or f16", name)
}

// onDevice prepares m and opens a session on the named device, which is given
// back when m is closed: the caller closes the session, its model, then m. Only "auto"
// takes the CPU when the device or a kernel is missing, and says so.
func (m *model) onDevice(c *cli, device string, opts []runtime.Option, sopts func(*runtime.Model) []runtime.SessionOption) (*runtime.Model, *runtime.Session, error) {
	onCPU := func() (*runtime.Model, *runtime.Session, error) { return m.session(opts, sopts) }
	switch device {
	case "cpu":
		return onCPU()
	case "cuda", "auto":
	default:
		return nil, nil, usagef("--device %q: cpu, cuda or auto", device)
	}
	rm, s, err := m.onCUDA(opts, sopts)
	if err == nil || device == "cuda" {
		return rm, s, err
	}
	fmt.Fprintf(c.err, "on the CPU: %v\n", err)
	return onCPU()
}

// onCUDA is session on the first NVIDIA device.
func (m *model) onCUDA(opts []runtime.Option, sopts func(*runtime.Model) []runtime.SessionOption) (*runtime.Model, *runtime.Session, error) {
	b, err := cuda.Open()
	if err != nil {
		return nil, nil, err
	}
	rm, s, err := m.session(append(opts[:len(opts):len(opts)], runtime.WithBackend(b)), sopts)
	if err != nil {
		return nil, nil, errors.Join(err, closeBackend(b))
	}
	m.device = b
	return rm, s, nil
}

// closeBackend gives back a device; closing it twice does no harm.
func closeBackend(b accel.Backend) error {
	if c, ok := b.(interface{ Close() error }); ok {
		return c.Close()
	}
	return nil
}

// session prepares m and opens a session. The caller closes the session, then
// the model.
func (m *model) session(opts []runtime.Option, sopts func(*runtime.Model) []runtime.SessionOption) (*runtime.Model, *runtime.Session, error) {
	rm, err := m.prepare(opts...)
	if err != nil {
		return nil, nil, err
	}
	betweenStages()
	s, err := rm.NewSession(sopts(rm)...)
	if err != nil {
		return nil, nil, errors.Join(err, rm.Close())
	}
	return rm, s, nil
}
