package passes

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// Windows of 2x2 pixels put together again, as they are when the batch that the
// network was traced with stays in the shape, and reshapes that move the batch
// but keep samples apart.
func TestMixed(t *testing.T) {
	none := func(g *graph.Graph) (*graph.Graph, error) { return g, nil }
	reshape := func(b *graph.Builder, x graph.ID, dims ...int) graph.ID {
		return b.Add("", &ops.Reshape{Dims: dims}, nil, x)
	}
	transpose := func(b *graph.Builder, x graph.ID, perm ...int) graph.ID {
		return b.Add("", &ops.Transpose{Perm: perm}, nil, x)
	}
	windows := func(b *graph.Builder, x graph.ID) graph.ID {
		return reshape(b, transpose(b, reshape(b, x, 0, 4, 2, 4, 2, 4), 0, 1, 3, 2, 4, 5), -1, 4, 4)
	}
	for _, c := range []struct {
		name  string
		mixed int
		build func(b *graph.Builder, x graph.ID) graph.ID
	}{
		{"traced batch 1", 1, func(b *graph.Builder, x graph.ID) graph.ID {
			return reshape(b, windows(b, x), 1, 4, 4, 2, 2, -1)
		}},
		{"the same, back to rows", 2, func(b *graph.Builder, x graph.ID) graph.ID {
			return reshape(b, reshape(b, windows(b, x), 1, 4, 4, 2, 2, -1), -1, 64, 4)
		}},
		{"open batch", 0, func(b *graph.Builder, x graph.ID) graph.ID {
			return reshape(b, windows(b, x), -1, 4, 4, 2, 2, 4)
		}},
		{"samples into channels", 0, func(b *graph.Builder, x graph.ID) graph.ID {
			return reshape(b, transpose(b, x, 0, 3, 1, 2), 1, -1, 8, 8)
		}},
		{"sequence first", 0, func(b *graph.Builder, x graph.ID) graph.ID {
			s := reshape(b, transpose(b, reshape(b, x, 0, 64, 4), 1, 0, 2), -1, 4)
			return transpose(b, reshape(b, s, 64, -1, 4), 1, 0, 2)
		}},
		{"heads beside the batch", 0, func(b *graph.Builder, x graph.ID) graph.ID {
			s := transpose(b, reshape(b, x, 0, 64, 4), 1, 0, 2)
			return reshape(b, s, 64, -1, 2)
		}},
		{"sequence first, cut as if the batch were", 1, func(b *graph.Builder, x graph.ID) graph.ID {
			return reshape(b, transpose(b, reshape(b, x, 0, 64, 4), 1, 0, 2), -1, 256)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Len(t, Mixed(net(t, none, c.build)), c.mixed)
		})
	}
}
