package graph

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

func small(t *testing.T) *Graph {
	t.Helper()
	b := NewBuilder("small")
	x := b.Input("x", tensor.F32Spec(7, 6, 6, 2), true)
	w := tensor.New(tensor.F32Spec(4, 3, 3, 2))
	c := b.Add("conv", &ops.Conv{Window: ops.Window{Stride: []int{2, 2}}}, []tensor.Tensor{w}, x)
	r := b.Add("conv", &ops.Unary{Fn: ops.UnaryRelu}, nil, c)
	s := b.Add("", &ops.Binary{}, nil, r, c)
	b.Output("y", b.Add("", &ops.Reshape{Dims: []int{0, -1}}, nil, s))
	b.Output("z", r)
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

func TestBuilder(t *testing.T) {
	g := small(t)
	require.Equal(t, 1, g.Batch())
	require.True(t, g.Batched())
	require.Equal(t, `%0 = Input{out_type=1 dims=[1 6 6 2] batch}() : f32[1x6x6x2]  # x
%1 = Conv{stride=[2 2]}(%0, f32[4x3x3x2]) : f32[1x2x2x4]  # conv
%2 = Unary{fn=1}(%1) : f32[1x2x2x4]  # conv_2
%3 = Binary(%2, %1) : f32[1x2x2x4]  # Binary
%4 = Reshape{dims=[0 -1]}(%3) : f32[1x16]  # Reshape
return "y" %4
return "z" %2
`, g.String())
	require.Equal(t, [][]ID{{1}, {2, 3}, {3}, {4}, nil}, g.Consumers())
	require.True(t, g.IsOutput(2))
	require.False(t, g.IsOutput(3))
	require.Equal(t, 72, g.ParamCount())
	require.Equal(t, 288, g.ParamBytes())
	require.Equal(t, int64(16*18), g.MACs(1))
	require.Zero(t, g.MACs(2))
}

func TestWithBatch(t *testing.T) {
	g := small(t)
	h, err := g.WithBatch(5)
	require.NoError(t, err)
	require.Equal(t, tensor.Of(5, 16), h.Node(4).Out.Shape)
	require.Equal(t, tensor.Of(1, 16), g.Node(4).Out.Shape, "a graph does not change")
	_, err = g.WithBatch(0)
	require.Error(t, err)

	b := NewBuilder("")
	b.Output("y", b.Add("", &ops.Identity{}, nil, b.Input("x", tensor.F32Spec(1, 3), false)))
	fixed, err := b.Build()
	require.NoError(t, err)
	_, err = fixed.WithBatch(2)
	require.Error(t, err)

	b = NewBuilder("")
	x := b.Input("x", tensor.F32Spec(1, 4), true)
	b.Output("y", b.Add("stuck", &ops.Reshape{Dims: []int{1, 2, 2}}, nil, x))
	g, err = b.Build()
	require.NoError(t, err)
	_, err = g.WithBatch(2)
	var ne *NodeError
	require.ErrorAs(t, err, &ne)
	require.Equal(t, "stuck", ne.Name)
	require.Equal(t, ops.KindReshape, ne.Kind)
}

func TestBuilderErrorsStick(t *testing.T) {
	b := NewBuilder("")
	x := b.Input("x", tensor.F32Spec(1, 4), true)
	b.Add("bad", &ops.Dense{}, []tensor.Tensor{tensor.New(tensor.F32Spec(2, 5))}, x)
	first := b.Err()
	var shape *ops.ShapeError
	require.ErrorAs(t, first, &shape)
	require.ErrorContains(t, first, `"bad"`)
	b.Add("worse", &ops.Identity{}, nil, 17)
	b.Output("y", 99)
	b.Fail(errors.New("late"))
	_, err := b.Build()
	require.Equal(t, first, err)

	for name, build := range map[string]func(b *Builder){
		"no outputs":           func(b *Builder) {},
		"an output not there":  func(b *Builder) { b.Output("y", 3) },
		"a reader before":      func(b *Builder) { b.Output("y", b.Add("", &ops.Identity{}, nil, 1)) },
		"negative":             func(b *Builder) { b.Output("y", b.Add("", &ops.Identity{}, nil, -1)) },
		"short parameter data": func(b *Builder) { b.Const("", tensor.Tensor{Spec: tensor.F32Spec(3), Data: make([]byte, 8)}) },
	} {
		b := NewBuilder("")
		b.Input("x", tensor.F32Spec(1, 4), true)
		build(b)
		_, err := b.Build()
		require.Error(t, err, name)
	}
}

func TestRewrite(t *testing.T) {
	g := small(t)
	same, err := Rewrite(g, func(b *Builder, _ ID, n *Node, in []ID) ID { return b.Keep(n, in) })
	require.NoError(t, err)
	require.Equal(t, g.String(), same.String())

	// The sum goes, its readers read the Relu; the convolution is replaced under
	// its own name, and what changes its shape changes those that follow.
	h, err := Rewrite(g, func(b *Builder, id ID, n *Node, in []ID) ID {
		switch id {
		case 1:
			id := b.Keep(n, in)
			return b.Supersede(id, &ops.Conv{}, n.Params, in...)
		case 3:
			return in[0]
		}
		return b.Keep(n, in)
	})
	require.NoError(t, err)
	require.Equal(t, "conv", h.Node(2).Name)
	require.Equal(t, "superseded", h.Node(1).Name)
	require.Equal(t, tensor.Of(1, 64), h.Node(h.Outputs()[0].ID).Out.Shape)

	for _, removed := range []ID{1, 2} {
		_, err = Rewrite(g, func(b *Builder, id ID, n *Node, in []ID) ID {
			if id == removed {
				return -1
			}
			return b.Keep(n, in)
		})
		require.Error(t, err, "node %d is still read", removed)
	}
}

func TestSameOp(t *testing.T) {
	require.True(t, SameOp(&ops.Conv{}, &ops.Conv{Window: ops.Window{PadLo: []int{}}}))
	require.False(t, SameOp(&ops.Conv{}, &ops.Conv{Groups: 2}))
	require.False(t, SameOp(&ops.Identity{}, &ops.Constant{}))
	require.Equal(t, "axis=2", Attributes(&ops.Concat{Axis: 2}))
}
