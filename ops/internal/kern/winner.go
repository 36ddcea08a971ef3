package kern

// Maximum pools in training: which tap of a window won, for each channel of a position, and the gradient that goes to it. The
// "vec/..." switches govern the loops.

// Tap is what one tap of a window sees from a position: channels from X[At] on. No names it, up to 255.
type Tap struct{ At, No int }

// Winners is one position of a maximum pool: N channels, and the taps that see something.
type Winners struct {
	X    []float32 // the input, or its gradient
	Y    []float32 // the maxima, or their gradient
	Won  []byte    // the taps that won
	Taps []Tap
	N    int
}

// winnerArgs is what a loop is handed; assembly knows the offsets (see TestWinnerLayout).
type winnerArgs struct {
	x, y  *float32
	won   *byte
	taps  *Tap
	count int
	n     int
}

// Pick sets Y to the largest of what the taps see and Won to the first that sees it; only what is larger than all
// before wins, so a NaN does where the first tap sees it.
func (w *Winners) Pick() { w.run(false) }

// Add adds Y to X where Won says.
func (w *Winners) Add() { w.run(true) }

func (w *Winners) run(add bool) {
	if w.N <= 0 || len(w.Taps) == 0 {
		return
	}
	if len(w.Y) < w.N || len(w.Won) < w.N {
		panic("kern: BUG: winners: a slice does not match the sizes")
	}
	for i := range w.Taps {
		if at := w.Taps[i].At; at < 0 || at > len(w.X)-w.N {
			panic("kern: BUG: winners: a tap sees beyond the input")
		}
	}
	from := 0
	if useVecAVX512 || useVecAVX2 { // NEON has no such loops
		if from = w.N; !useVecAVX512 {
			from = w.N &^ 7
		}
		if from > 0 {
			winnerRun(add, &winnerArgs{&w.X[0], &w.Y[0], &w.Won[0], &w.Taps[0], len(w.Taps), from})
		}
	}
	if add {
		w.addGeneric(from)
	} else {
		w.pickGeneric(from)
	}
}

// pickGeneric is the definition, from a channel on.
func (w *Winners) pickGeneric(from int) {
	y, won := w.Y[:w.N], w.Won[:w.N]
	for i, t := range w.Taps {
		x := w.X[t.At:][:w.N]
		for c := from; c < len(x); c++ {
			if v := x[c]; i == 0 || v > y[c] {
				y[c], won[c] = v, byte(t.No)
			}
		}
	}
}

// addGeneric is the definition, from a channel on.
func (w *Winners) addGeneric(from int) {
	y, won := w.Y[:w.N], w.Won[:w.N]
	for _, t := range w.Taps {
		x := w.X[t.At:][:w.N]
		for c := from; c < len(x); c++ {
			if int(won[c]) == t.No {
				x[c] += y[c]
			}
		}
	}
}
