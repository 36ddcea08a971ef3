package kern

// AddI8Args are the fixed-point constants of XNNPACK's integer addition.
type AddI8Args struct {
	XSigned, YSigned bool
	MX, MY           int32 // multipliers
	Bias             int32 // with the rounding and the zero points of x and y
	Shift            uint  // below 32
	Zero, Lo, Hi     int32 // zero point of the result, and limits after adding it

	words *addWords // made by Prepare; nil: numbers that those do not take
}

// AddI8 sets dst = clamp(((x·MX + y·MY + Bias) >> Shift) + Zero, Lo, Hi), wrapping in int32 before the shift.
func AddI8(dst, x, y []byte, a *AddI8Args) {
	x, y = x[:len(dst)], y[:len(dst)]
	n := 0
	if useVecI8Words && a.words != nil {
		if n = len(dst) &^ wordsI8(); n > 0 {
			vecI8Run(vecAddI8Words, &vecI8Args{dst: &dst[0], x: &x[0], y: &y[0], n: n, shift: int32(a.Shift) - addDigits, words: a.words})
		}
	}
	rest := vectorsI8(len(dst) - n)
	if useVecI8NEON && a.Shift == 0 {
		rest = 0 // it adds the zero point to what is less than 32 bits
	}
	if rest > 0 {
		bias := a.Bias // flipped bytes are 128 too large
		if a.XSigned {
			bias -= 128 * a.MX
		}
		if a.YSigned {
			bias -= 128 * a.MY
		}
		vecI8Run(vecAddI8, &vecI8Args{dst: &dst[n], x: &x[n], y: &y[n], n: rest, mx: a.MX, my: a.MY, bias: bias, shift: int32(a.Shift),
			zero: a.Zero, lo: a.Lo, hi: a.Hi, flipX: flipOf(a.XSigned), flipY: flipOf(a.YSigned)})
		n += rest
	}
	for i := n; i < len(dst); i++ {
		v := (a.Bias+valueI8(x[i], a.XSigned)*a.MX+valueI8(y[i], a.YSigned)*a.MY)>>a.Shift + a.Zero
		dst[i] = byte(min(max(v, a.Lo), a.Hi))
	}
}

// addWords is the addition in 16-bit numbers. With x and y from -128 to 127, multipliers and bias are three digits of base
// 128, of which the last may be larger, and each digit's dot product with (x, y), exact in 16 bits, takes over what the one
// below carries:
//
//	c0 = (x·a0 + y·b0 + bias0) >> 7
//	c1 = (x·a1 + y·b1 + bias1 + c0) >> 7
//	r  = (x·a2 + y·b2 + bias2 + c1) >> (Shift - 14)
//
// The last sum saturates, as r then does. r is the result less 128 where that is unsigned.
// Each field holds one value for all of a vector; assembly knows the offsets (see TestAddWordsLayout).
type addWords struct {
	digits       [3][64]byte // of MX and MY by turns
	bias         [3][32]int16
	shift        [32]int16
	flipX, flipY [64]byte // what makes them signed
	lo, hi, out  [64]byte // limits of r, and what makes it the result
}

// wordsI8 is one less than the bytes of a vector of the additions in 16-bit numbers.
func wordsI8() int {
	if useVecI8AVX512 {
		return 63
	}
	return 31
}

// addDigits are those above the binary point of a digit's carry.
const addDigits = 14

// Prepare finds the form for 16-bit numbers where multipliers and bias allow it.
func (a *AddI8Args) Prepare() {
	a.words = nil
	mx, my, bias := int64(a.MX), int64(a.MY), int64(a.Bias)
	if abs(bias)+255*(abs(mx)+abs(my)) >= 1<<31 || a.Shift < addDigits || a.Shift > addDigits+8 || a.Lo > a.Hi {
		return
	}
	w := &addWords{}
	if !a.XSigned {
		bias += 128 * mx
		fill(w.flipX[:], 0x80)
	}
	if !a.YSigned {
		bias += 128 * my
		fill(w.flipY[:], 0x80)
	}
	// A negative multiplier's operand is turned round: y = -1 - ^y.
	if mx < 0 {
		mx = -mx
		bias += mx
		invert(w.flipX[:])
	}
	if my < 0 {
		my = -my
		bias += my
		invert(w.flipY[:])
	}
	up := int64(0)
	if a.Lo >= 0 && a.Zero >= 0 {
		up = 128
		fill(w.out[:], 0x80)
	}
	zero, lo, hi := int64(a.Zero)-up, int64(a.Lo)-up, int64(a.Hi)-up
	last := (bias + zero<<a.Shift) >> addDigits
	if lo < -128 || hi > 127 || mx>>addDigits+my>>addDigits > 256 || mx>>addDigits > 255 || my>>addDigits > 255 || !addFits(last) {
		return
	}
	for i := range w.digits {
		x, y := byte(mx>>(7*i)&127), byte(my>>(7*i)&127)
		if i == 2 {
			x, y = byte(mx>>addDigits), byte(my>>addDigits)
		}
		for j := 0; j < 64; j += 2 {
			w.digits[i][j], w.digits[i][j+1] = x, y
		}
	}
	fill(w.bias[0][:], int16(bias&127))
	fill(w.bias[1][:], int16(bias>>7&127))
	fill(w.bias[2][:], int16(last))
	fill(w.shift[:], int16(a.Shift-addDigits))
	fill(w.lo[:], byte(lo))
	fill(w.hi[:], byte(hi))
	a.words = w
}

// addFits says that a bias and a carry make no more than 16 bits.
func addFits(bias int64) bool { return abs(bias) <= 1<<15-1-256 }

func abs(v int64) int64 { return max(v, -v) }

func fill[T any](to []T, v T) {
	for i := range to {
		to[i] = v
	}
}

func invert(to []byte) {
	for i := range to {
		to[i] = ^to[i]
	}
}
