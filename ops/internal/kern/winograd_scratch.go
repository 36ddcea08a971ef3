package kern

// Where a block of WinogradF32 keeps its planes of transformed input and of products.

// ScratchSize is how many floats a block needs: transformed input and output, and a row to dump what falls outside.
func (w *WinogradF32) ScratchSize() int {
	if w.Fly {
		return w.IC / flyDepth * w.flyChunk()
	}
	return max(w.inputs()+w.planes()*w.stride(w.IC), w.products()+w.planes()*w.stride(w.OC)) + w.OC
}

// inputs is where planes of transformed input start in a block's scratch: with Trail so far behind the first products that
// those of planes that are multiplied at the same time end before the first of these, and lie over planes that are done.
func (w *WinogradF32) inputs() int {
	if w.Trail == 0 {
		return 0
	}
	in, out, at := w.stride(w.IC), w.stride(w.OC), 0
	for p := 0; p < w.planes(); p += w.Trail {
		at = max(at, min(p+w.Trail, w.planes())*out-p*in)
	}
	return at
}

// products is where they start.
func (w *WinogradF32) products() int {
	if w.Trail > 0 {
		return 0
	}
	return w.planes() * w.stride(w.IC)
}

// PerTile is about the bytes of scratch that a tile of a block takes.
func (w *WinogradF32) PerTile() int {
	if w.Trail > 0 {
		return 4 * (w.planes()*max(w.IC, w.OC) + w.Trail*min(w.IC, w.OC))
	}
	return 4 * w.planes() * (w.IC + w.OC)
}

// stride is the floats from one plane of a block to the next. A tile touches all planes: an even number of lines apart,
// they would fall into some of the sets of the first-level cache.
//
//go:noinline
func (w *WinogradF32) stride(channels int) int {
	return 16 * ((w.Tiles*channels+15)/16 | 1)
}
