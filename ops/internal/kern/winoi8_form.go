package kern

// winoI8Form is the panels and tiles of an instruction set, and what they cost.
type winoI8Form struct {
	isa    isa
	panel  int    // channels of a panel
	rows   [6]int // heights of product kernels
	lowest int    // rows that one takes the time of at least
	budget int    // bytes of transformed input, and of a panel's output, that a block may hold
}

// winoI8Side names a transform.
type winoI8Side int

const (
	winoI8In winoI8Side = iota
	winoI8Out
	winoI8Weights
	winoI8Sides
)

var winoI8Forms = [...]winoI8Form{
	isaAVX512:  {isa: isaAVX512, panel: 32, rows: [6]int{13, 12, 8, 4, 2, 1}, lowest: 5, budget: 768 << 10},
	isaAVX2:    {isa: isaAVX2, panel: 16, rows: [6]int{6, 4, 1}, lowest: 2, budget: 320 << 10},
	isaGeneric: {panel: 16, rows: [6]int{1}, budget: 768 << 10},
}

// winoI8Tiles is the least tiles that weights are read for where there are as many.
const winoI8Tiles = 48

//go:noinline
func selectWinoI8() *winoI8Form {
	switch {
	case useWinoI8VNNI:
		return &winoI8Forms[isaAVX512]
	case useWinoI8AVX2:
		return &winoI8Forms[isaAVX2]
	}
	return &winoI8Forms[isaGeneric]
}

// WinogradI8Fast reports whether this machine has products of 16-bit pairs.
func WinogradI8Fast() bool { return WinogradI8Fits(0, 0) }

// WinogradI8Fits reports whether it has, and channels in and out are whole panels.
func WinogradI8Fits(ic, oc int) bool {
	f := selectWinoI8()
	return f.isa != isaGeneric && f.fits(ic|oc)
}

// fits says that so many channels are whole panels, which are powers of 2.
func (f *winoI8Form) fits(channels int) bool { return channels&(f.panel-1) == 0 }

// winoI8Rates is multiply-adds a cycle, by pairs and directly; the cycles that 32 channels of a tile take to transform, and
// 16 to transform back; those between lines of weights from the third-level cache and from memory; and the part of the direct
// product's time, in tenths, to stay under, as weights take eight times the memory.
type winoI8Rates struct{ pairs, direct, input, output, near, far, under float32 }

// winoI8Measured: on Intel's cores with AVX-512; Zen 5 has their rates at least. winoI8Counted: Zen 4, by its units, with three
// times the doubt. winoI8Narrow: on Zen 3's.
var (
	winoI8Measured = winoI8Rates{62, 122, 190, 155, 7, 14, 9}
	winoI8Counted  = winoI8Rates{31, 61, 220, 160, 5, 12, 7}
	winoI8Narrow   = winoI8Rates{19, 22, 300, 370, 10, 22, 9}
)

func (f *winoI8Form) rates() *winoI8Rates {
	switch {
	case f.isa == isaAVX2:
		return &winoI8Narrow
	case winoI8Slow:
		return &winoI8Counted
	}
	return &winoI8Measured
}

// Worthwhile reports whether a convolution of these sizes is known to be faster this way than as a direct product on these
// cores, by what both take in cycles. Without dot products the direct one goes by pairs of 16 bits itself, on all cores.
//
//go:noinline
func (w *WinogradI8) Worthwhile() bool {
	if f := selectWinoI8(); f.isa == isaAVX2 && !useGemmI8VNNI && !useGemmI8AVXVNNI || f.isa == isaAVX512 && winoI8Pays {
		return w.worthwhile(f, f.rates())
	}
	return false
}

func (w *WinogradI8) worthwhile(f *winoI8Form, r *winoI8Rates) bool {
	const start = 30 // to begin a tile
	tiles := (w.OH + 3) / 4 * ((w.OW + 3) / 4)
	rows, kernels := 0, 0
	for i, n := range f.heights(tiles) {
		rows += n * max(f.rows[i], f.lowest)
		kernels += n
	}
	pairs := float32(w.IC * w.OC)
	products := winoI8Planes * (float32(rows)*pairs/r.pairs + float32(w.OC/f.panel*kernels*start))
	transforms := float32(tiles) * (float32(w.IC)*r.input/32 + float32(w.OC)*r.output/16)
	direct := float32(w.OH*w.OW) * 9 * pairs / r.direct
	line := r.near
	if 2*winoI8Planes*pairs > 1<<20 {
		line = r.far
	}
	return max(products, 2*winoI8Planes*pairs/64*line)+transforms < direct*r.under/10
}
