package kern

// Rows adds short rows of one matrix to those of another, which may overlap: what the positions of a strided convolution's
// gradient give to neighbouring inputs. Or it copies them. The "vec/..." switches govern it.
type Rows struct {
	Dst, Src           []float32
	DstPitch, SrcPitch int // floats from one row to the next
	Rows, N            int // N floats of each
}

// rowsArgs is what the loop is handed; assembly knows the offsets (see TestRowsLayout).
type rowsArgs struct {
	dst, src           *float32
	dstPitch, srcPitch int // bytes
	rows, n            int
}

// Add adds row r of Src to row r of Dst, for r in order.
func (a *Rows) Add() { a.run(true) }

// Copy copies row r of Src to row r of Dst; rows of Dst do not overlap.
func (a *Rows) Copy() { a.run(false) }

func (a *Rows) run(add bool) {
	if a.Rows <= 0 || a.N <= 0 {
		return
	}
	if a.DstPitch < 0 || a.SrcPitch < 0 || len(a.Dst) < (a.Rows-1)*a.DstPitch+a.N || len(a.Src) < (a.Rows-1)*a.SrcPitch+a.N {
		panic("kern: BUG: rows: a slice does not match the sizes")
	}
	if !useVec() || useVecNEON { // NEON has no such loop
		a.runGeneric(add)
		return
	}
	rowsRun(&rowsArgs{dst: &a.Dst[0], src: &a.Src[0], dstPitch: 4 * a.DstPitch, srcPitch: 4 * a.SrcPitch, rows: a.Rows, n: a.N}, add)
}

// runGeneric is the definition. Assembly goes column by column, so where rows overlap it adds in another order.
func (a *Rows) runGeneric(add bool) {
	for r := range a.Rows {
		to, from := a.Dst[r*a.DstPitch:][:a.N], a.Src[r*a.SrcPitch:][:a.N]
		if !add {
			copy(to, from)
			continue
		}
		for i, v := range from {
			to[i] += v
		}
	}
}
