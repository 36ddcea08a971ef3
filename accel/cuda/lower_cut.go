package cuda

// A product of few output tiles leaves multiprocessors idle and takes as long as one
// block takes for all its terms: ResNet-50's last layers at batch 1 are 49 rows by 512
// channels, 8 tiles for 132 multiprocessors, over up to 4608 terms. So the terms are
// cut into stretches that are added up by blocks of their own, and a second kernel joins
// their sums in order: the same device gives the same bits every time.

// What the second kernel costs beside its bytes, in steps of a block: its
// launch and its first bytes' way, some 2 µs, where a block makes a step in about 150
// ns on tensor cores, and in twice that on plain floats. Estimates: no device has said so.
const onTensorCores, onFloats = 12, 6

func (n numbers) joining() int {
	if n.product == "" {
		return onFloats
	}
	return onTensorCores
}

// deep is how many terms a step of a product's kernel adds up.
func (n numbers) deep() int {
	if n.product == "" {
		return 16
	}
	return 64 / bytesOf(n.product)
}

// cut says into how many stretches of how many steps a product's terms go whose tiles
// are blocks and whose terms are steps; stretches is 1 where it stays whole. It is by
// counts alone: rounds of blocks times the steps of one, to which its sums add two
// steps' bytes as they are written (16 KiB a tile, a step brings 8) and two as they
// are read by all multiprocessors.
func (l *lowering) cut(blocks, steps, joining int) (stretches, deep int) {
	deep, stretches = steps, 1
	if l.processors < 1 || blocks >= l.processors {
		return stretches, deep
	}
	best := steps
	for s := 2; s <= min(steps/2, 64); s++ {
		d := (steps + s - 1) / s
		if (steps+d-1)/d < s {
			continue // the last ones would be empty
		}
		rounds := (blocks*s + l.processors - 1) / l.processors
		if cost := rounds*(d+2) + joining + 2*blocks*s/l.processors; cost < best {
			best, stretches, deep = cost, s, d
		}
	}
	return stretches, deep
}

// stretched lowers a convolution of one group whose terms are cut: the kernel that
// sums stretches, and the one that joins them.
func (n *node) stretched(v *window, x, w, bias, res ref, rows, parts, stretches, deep int, act []param) {
	sums := n.scratchOf(4 * rows * v.oc * stretches)
	grid := n.tiles(rows, v.oc, stretches, tile)
	if n.numbers.product == "" {
		n.call("conv_f32", grid, []param{at(x), at(w), at(ref{}), at(ref{}), at(sums)}, v.params(), ints(1, v.oc),
			[]param{int64Of(0), num(0), num(0)}, ints(deep))
	} else {
		n.call("cut_"+n.numbers.product, grid, []param{at(x), at(w), at(sums)}, v.params(), ints(parts, deep))
	}
	n.each("join", rows*v.oc, []param{at(sums), at(bias), at(res), at(n.y)}, ints(rows*v.oc, v.oc, stretches, n.pitch()), act)
}

// params are a window's numbers as kernels take them, up to its padding.
func (v *window) params() []param {
	return ints(v.images, v.h, v.w, v.c, v.oh, v.ow, v.oc, v.kernel[0], v.kernel[1], v.stride[0], v.stride[1],
		v.dilation[0], v.dilation[1], v.pad[0], v.pad[1])
}

// terms is how many terms a sum of a window's has.
func (v *window) terms() int { return v.kernel[0] * v.kernel[1] * v.c / v.groups }

// ceil is a/b rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }

// weightGradient lowers the gradient of a convolution's weights, [OC,KH,KW,C/G], from
// its result's, d. Its terms are pixels of all images: many, and the tiles few.
func (b *backward) weightGradient(nd *node, v *window, d, dw ref, grid [3]int) {
	x, elems := nd.operand(0), v.terms()*v.oc
	stretches, deep := b.cut(grid[0]*grid[1], ceil(v.images*v.oh*v.ow, 16), onFloats)
	if stretches == 1 || v.groups > 1 {
		nd.call("convgrad_f32", grid, []param{at(x), at(d), at(dw)}, v.params(), ints(v.groups, 0))
		return
	}
	sums := nd.scratch(elems * stretches)
	grid[2] = stretches
	nd.call("convgrad_f32", grid, []param{at(x), at(d), at(sums)}, v.params(), ints(1, deep))
	nd.count("join_f32", elems, []param{at(sums), at(ref{}), at(ref{}), at(dw)}, ints(elems, v.terms(), stretches, v.terms()),
		[]param{int64Of(0), num(0), num(0)})
}
