package ops

// block chooses blocks and how workers share them within a budget of scratch,
// and returns how many blocks have scratch at the same time.
func (k *convWinograd) block(threads, budget int) int {
	if k.together(threads, budget) {
		return k.w.Blocks()
	}
	share := threads
	if k.w.Fly && k.w.Blocks() == 1 && k.heavy() {
		share = 1 // all work on the one block
	}
	if room := (budget - 4*threads*k.form) / share; budget > 0 && 4*k.w.ScratchSize() > room {
		perTile := k.w.PerTile()
		k.fit(max(1, (room-(4*k.w.ScratchSize()-perTile*k.w.Tiles))/perTile), share)
	}
	if k.cut(threads, budget) {
		return threads
	}
	trail := k.w.Trail
	k.w.Trail = 0 // planes at the same time
	if slots := k.w.Blocks(); budget == 0 || 4*(slots*roundUp(k.w.ScratchSize(), 16)+threads*k.form) <= budget {
		k.split(threads)
		return slots
	}
	k.w.Trail = trail // more at once than fits
	k.fit(k.w.Tiles, threads)
	return threads
}

// A block costs blockRows rows of products beside its own, and no fewer than
// leastRows altogether, as long as its weights need from a third-level cache; a
// tile's transforms are a row in tileRows.
const blockRows, leastRows, tileRows = 2, 12, 6

// fit makes blocks of at most limit tiles, such that the worker with most of
// them has least to do.
func (k *convWinograd) fit(limit, threads int) {
	cost := func(tiles int) int {
		return tileRows*(max(k.w.Rows(tiles), leastRows)+blockRows) + tiles
	}
	total, least := k.w.Total(), 0
	for tiles := limit; tiles > 0 && tiles >= min(limit/2, total/threads); tiles-- {
		before := (total - 1) / tiles // the last block
		most := cost(tiles)
		if turns := before / threads; before%threads == 0 {
			most = turns*most + cost(total-before*tiles)
		} else {
			most *= turns + 1
		}
		if least == 0 || most < least {
			least, k.w.Tiles = most, tiles
		}
	}
	k.w.Plan()
}

// cutTiles is how few tiles a block may be cut down to for the sake of several
// workers, cutWeights the bytes of a layer's weights up to which what workers
// would hand each other weighs more than what they then do or read twice.
const cutTiles, cutWeights = 8, 1 << 20

// flyCopies is how many workers each transform all of the input of a block
// whose weights are transformed as they are used. What another transformed comes
// late, and was written to a cache that is not theirs: 14x14x256 on two workers
// takes .82 of the time. More were not measured.
const flyCopies = 2

// heavy says that transformed weights are more than cutWeights.
//
//go:noinline
func (k *convWinograd) heavy() bool { return 4*k.w.Planes()*k.ic*k.oc > cutWeights }

// cut finds work for all workers, that they need not share: smaller blocks, or
// parts of the columns. It is false where the steps of blocks must be split.
// budget is the scratch they may take.
func (k *convWinograd) cut(threads, budget int) bool {
	blocks := k.w.Blocks()
	if threads == 1 || blocks >= 2*threads {
		return true
	}
	if scratch := 4 * threads * (roundUp(k.w.ScratchSize(), 16) + k.form); k.w.Fly && blocks == 1 && threads <= flyCopies &&
		k.w.Products()%threads == 0 && (budget == 0 || scratch <= budget) {
		k.columns = k.oc / threads
		return true
	}
	if k.heavy() {
		return false
	}
	if k.w.Total() > roundUp(blocks, threads)*(cutTiles-1) {
		k.fit(k.w.Tiles, threads)
		return true
	}
	nr := k.w.Gemm.NR
	panels := (k.oc + nr - 1) / nr
	if k.w.Pairs != nil || panels < threads || threads > 2 && panels < 2*threads {
		return false
	}
	k.columns = (panels + threads - 1) / threads * nr
	return true
}

// roundWork is the multiply-adds of a plane from which on a round of planes is
// so long that workers may wait for each other.
const roundWork = 4 << 20

// together has all workers at the planes of few blocks, so that weights that are
// more than a cache holds are read once. Planes that take long go as many at a
// time as there are workers: then a round's products take the place of planes
// that are done. It is false where that is not called for or does not fit.
func (k *convWinograd) together(threads, budget int) bool {
	blocks, trail := k.w.Blocks(), k.w.Trail
	if threads == 1 || k.w.Fly || !k.heavy() || blocks >= 2*threads {
		return false
	}
	fits := func(trail int) bool {
		k.w.Trail = trail
		return budget == 0 || 4*(blocks*roundUp(k.w.ScratchSize(), 16)+threads*k.form) <= budget
	}
	round := min(k.w.Planes(), threads)
	for t := 1; t < round; t++ {
		if blocks*t%threads == 0 {
			round = t
		}
	}
	if k.w.BlockTiles(0)*k.ic*k.oc < roundWork {
		round = 0
	}
	if fits(round) {
		k.split(threads)
		return true
	}
	k.w.Trail = trail
	return false
}

// split makes the parts of blocks that workers share.
func (k *convWinograd) split(threads int) {
	k.perBlock = true
	k.chunks = min(4*threads, k.w.BlockTiles(0))
	step := k.w.Products()
	if k.w.Trail > 0 {
		step = k.w.Trail
	}
	for p := 0; p < k.w.Products(); p += step {
		k.rounds = append(k.rounds, winogradRound{k, p, min(step, k.w.Products()-p)})
	}
}
