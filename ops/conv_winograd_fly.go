package ops

import "github.com/teff-ml/teff/ops/internal/kern"

// flyTiles is up to how many tiles weights are transformed while they are used,
// flyWeights from how many bytes of transformed weights on, or flyManyWeights of
// more tiles than flyNarrow: below, they may stay in a cache from one run to the
// next. Where it was asked for with more tiles, a block has flyBlock at most, or
// flyNarrow of panels that are not whole ones.
const (
	flyTiles, flyNarrow, flyBlock = 16, 8, 64
	flyWeights, flyManyWeights    = 1 << 20, 4 << 20
)

// fly turns to weights that are transformed while they are used, where these are
// many and tiles are few, or there is no room for more.
func (k *convWinograd) fly(p *Prep) {
	w := k.w
	w.M, w.Trail, w.Pairs = 4, 0, nil
	c := p.Choice
	side := func(n int) int { return (n + w.M - 1) / w.M }
	tiles, bytes := w.N*side(w.OH)*side(w.OW), 4*k.w.Planes()*w.IC*w.OC
	block := flyBlock
	if w.OC%kern.FlyPanel != 0 {
		block = flyNarrow
	}
	blocks := (tiles + block - 1) / block
	w.Tiles = (tiles + blocks - 1) / blocks
	if c.Weights == WeightsReady || c.Winograd == 2 || c.Tiles != 0 || !w.CanFly() {
		return
	}
	pays := tiles <= flyNarrow && bytes > flyWeights || tiles <= flyTiles && blocks == 1 && bytes > flyManyWeights
	if p.MemoryBudget > 0 && bytes+4*k.w.ScratchSize() > p.MemoryBudget { // else the layer is a direct product
		pays = true
	}
	if c.Weights != WeightsPlain && (!kern.WinogradFlyPays(w.Tiles) || c.Winograd != 0 || !pays) {
		return
	}
	w.Fly = true
	w.Plan()
	form := roundUp(w.FlySize(), 16)
	if p.FormBudget > 0 && 4*(roundUp(w.ScratchSize(), 16)+form) > p.FormBudget { // of the graph alone: results round otherwise
		return
	}
	k.w, k.form = w, form
}
