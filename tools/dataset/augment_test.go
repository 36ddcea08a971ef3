package dataset

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/tools/imageio"
)

func picture(w, h int) *imageio.RGB {
	m := &imageio.RGB{W: w, H: h, Pix: make([]uint8, 3*w*h)}
	for i := range m.Pix {
		m.Pix[i] = uint8(40 + i*7%160)
	}
	return m
}

func TestAugment(t *testing.T) {
	m := picture(12, 10)
	before := slices.Clone(m.Pix)
	apply := func(a Augment, seed uint64) *imageio.RGB {
		o, err := a.Apply(nil, m, 8, 8, rand.New(rand.NewPCG(seed, 0)))
		require.NoError(t, err)
		require.Equal(t, []int{8, 8, 192}, []int{o.W, o.H, len(o.Pix)})
		require.Equal(t, before, m.Pix, "the source changed")
		return o
	}
	plain := apply(Augment{}, 1)
	require.Equal(t, m.Crop(8, 8), plain)
	require.True(t, Augment{}.IsZero())
	for name, a := range map[string]Augment{
		"flip": {Flip: true}, "shift": {Shift: 3}, "zoom": {Zoom: 0.3}, "colour": {Colour: 0.3}, "erase": {Erase: 1},
		"all": {Flip: true, Shift: 2, Zoom: 0.5, Colour: 0.2, Erase: 0.5},
	} {
		changed := 0
		for seed := range uint64(20) {
			o := apply(a, seed)
			require.Equal(t, o, apply(a, seed), "%s: one seed, two pictures", name)
			if !slices.Equal(o.Pix, plain.Pix) {
				changed++
			}
		}
		require.Greater(t, changed, 5, name)
	}
	// Mirrored twice is as it was.
	for seed := range uint64(20) {
		o := apply(Augment{Flip: true}, seed)
		if !slices.Equal(o.Pix, plain.Pix) {
			for y := range 8 {
				for x := range 8 {
					require.Equal(t, plain.Pix[3*(8*y+x):][:3], o.Pix[3*(8*y+7-x):][:3])
				}
			}
		}
	}
	// A smaller picture is repeated at its edges.
	o, err := Augment{Shift: 2}.Apply(o8(), picture(3, 3), 8, 8, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	require.Len(t, o.Pix, 192)
}

// o8 is memory to use again.
func o8() *imageio.RGB { return picture(9, 9) }

func TestJoin(t *testing.T) {
	load := func(i int) (*imageio.RGB, error) { return picture(i+1, 1), nil }
	a, err := New("a", []string{"0", "1"}, []int{1, 0}, load)
	require.NoError(t, err)
	b, err := New("b", []string{"cat", "dog"}, []int{0, 0, 1}, load)
	require.NoError(t, err)
	for _, sets := range [][]*Set{{a, b}, {b, a}} {
		j, err := Join(sets...)
		require.NoError(t, err)
		require.Equal(t, []string{"cat", "dog"}, j.Classes)
		require.Equal(t, 5, j.Len())
		n := 0
		for _, s := range sets {
			for i := range s.Len() {
				require.Equal(t, s.Labels[i], j.Labels[n])
				m, err := j.Image(n)
				require.NoError(t, err)
				require.Equal(t, i+1, m.W)
				n++
			}
		}
	}
	c, err := New("c", []string{"cat", "cow"}, []int{0}, load)
	require.NoError(t, err)
	_, err = Join(b, c)
	require.ErrorContains(t, err, "cow")
	d, err := New("d", []string{"0", "1", "2"}, []int{0}, load)
	require.NoError(t, err)
	_, err = Join(a, d)
	require.ErrorContains(t, err, "classes")
	_, err = New("e", []string{"x"}, []int{1}, load)
	require.ErrorContains(t, err, "label 1 of 1")
}
