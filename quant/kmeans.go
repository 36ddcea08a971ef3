package quant

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// sortedBySize are the places of v, the largest magnitude first.
func sortedBySize(v []float32) []int {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(math.Abs(float64(v[b])), math.Abs(float64(v[a])))
	})
	return order
}

// FitPalette fits 2^bits values to each group of v by k-means in one dimension
// (Lloyd 1957): the weighted squared error falls with every step. weight is how
// much each element counts, nil: all the same. Zero, where it occurs, stays zero.
func FitPalette(v, weight []float32, bits, group int) *Palette {
	p := &Palette{Bits: bits, Group: group, Index: make([]uint8, len(v))}
	for at := 0; at < len(v); at += group {
		end := min(at+group, len(v))
		var w []float32
		if weight != nil {
			w = weight[at:end]
		}
		values := kmeans(v[at:end], w, 1<<bits)
		p.Values = append(p.Values, values...)
		for i, x := range v[at:end] {
			p.Index[at+i] = nearest(values, x)
		}
	}
	return p
}

// nearest is the index of the value next to x; values ascend.
func nearest(values []float32, x float32) uint8 {
	i, found := slices.BinarySearch(values, x)
	if found || i == 0 {
		return uint8(i)
	}
	if i == len(values) || x-values[i-1] < values[i]-x {
		i--
	}
	return uint8(i)
}

// kmeans is k values in ascending order, rounded to f16.
func kmeans(v, weight []float32, k int) []float32 {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(v[a], v[b]) })
	n := len(v)
	// Sums over the sorted elements make a step as long as there are values.
	sum, mass := make([]float64, n+1), make([]float64, n+1)
	zero := false
	for i, j := range order {
		w := 1.0
		if weight != nil {
			w = max(float64(weight[j]), 1e-12)
		}
		mass[i+1], sum[i+1] = mass[i]+w, sum[i]+w*float64(v[j])
		zero = zero || v[j] == 0
	}
	at := func(i int) float64 { return float64(v[order[i]]) }
	c := make([]float64, k)
	for i := range c { // quantiles and an even grid, half and half: k-means spreads them
		c[i] = (at(min(n-1, (2*i+1)*n/(2*k))) + at(0) + (at(n-1)-at(0))*(float64(i)+.5)/float64(k)) / 2
	}
	pin := func() {
		if zero {
			best := 0
			for i, x := range c {
				if math.Abs(x) < math.Abs(c[best]) {
					best = i
				}
			}
			c[best] = 0
		}
	}
	pin()
	for range 50 {
		moved, from := 0.0, 0
		for i := range c {
			to := n
			if i < k-1 {
				mid := (c[i] + c[i+1]) / 2
				to = from + sort.Search(n-from, func(j int) bool { return at(from+j) >= mid })
			}
			if m := mass[to] - mass[from]; m > 0 {
				x := (sum[to] - sum[from]) / m
				moved += math.Abs(x - c[i])
				c[i] = x
			}
			from = to
		}
		if pin(); moved == 0 {
			break
		}
	}
	values := make([]float32, k)
	for i, x := range c {
		values[i] = HalfPrecision(float32(x))
	}
	slices.Sort(values)
	return values
}
