package onnx

import (
	"fmt"
	"strings"

	"github.com/teff-ml/teff/ops/tensor"
)

// Option changes how a model is imported.
type Option func(*options)

type options struct {
	dir    string
	batch  int
	shapes map[string][]int
	values map[string]tensor.Tensor
	raw    bool
	float  bool // no integer operators, for tests
}

// WithDir names the folder that external data is read from: the model's own.
// Nothing outside it is opened. Without it, external data is an error.
func WithDir(dir string) Option { return func(o *options) { o.dir = dir } }

// WithBatch fixes an open batch to n, for models that cannot run at any other
// size or whose shapes depend on it in ways that are not understood.
func WithBatch(n int) Option { return func(o *options) { o.batch = n } }

// WithShape gives an input's dimensions in the order in which the file declares
// them, where the file leaves them open. A first dimension of 0 leaves the batch
// open.
func WithShape(input string, dims []int) Option {
	return func(o *options) {
		if o.shapes == nil {
			o.shapes = map[string][]int{}
		}
		o.shapes[input] = dims
	}
}

// WithValue says what an input holds, for inputs that must be known while the
// graph is built: the shape of a Reshape, the axes of a ReduceSum. The input
// stays an input of the graph; only where its value must be known is it taken
// from here.
func WithValue(input string, t tensor.Tensor) Option {
	return func(o *options) {
		if o.values == nil {
			o.values = map[string]tensor.Tensor{}
		}
		o.values[input] = t
	}
}

// WithoutPasses leaves the graph as it was brought over: what exporters leave
// and transposes that do not meet stay in.
func WithoutPasses() Option { return func(o *options) { o.raw = true } }

// Unsupported is one node or value that cannot be imported.
type Unsupported struct {
	Node string // its name, or that of its first output
	Op   string // its operator, with the domain unless it is ONNX's own
	Why  string
	Hint string // what to do about it; may be empty
	Err  error  // the cause where there is one, such as a *TypeError
}

func (u Unsupported) String() string {
	s := fmt.Sprintf("%s %q: %s", u.Op, u.Node, u.Why)
	if u.Hint != "" {
		s += " (" + u.Hint + ")"
	}
	return s
}

// UnsupportedError lists everything in a model that cannot be imported.
type UnsupportedError struct {
	Nodes []Unsupported
}

func (e *UnsupportedError) Error() string {
	if len(e.Nodes) == 1 {
		return "onnx: not supported: " + e.Nodes[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "onnx: %d nodes are not supported:", len(e.Nodes))
	for i, n := range e.Nodes {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteByte(' ')
		b.WriteString(n.String())
	}
	return b.String()
}

// Unwrap is the causes.
func (e *UnsupportedError) Unwrap() []error {
	var errs []error
	for _, n := range e.Nodes {
		if n.Err != nil {
			errs = append(errs, n.Err)
		}
	}
	return errs
}

// ShapeError says that an input has an open dimension that must be given.
type ShapeError struct {
	Input string
	Dims  string // as declared, like "N x 3 x height x width"
}

func (e *ShapeError) Error() string {
	return fmt.Sprintf("onnx: input %q is declared as %s: give its shape with --shape %s=1,…", e.Input, e.Dims, e.Input)
}
