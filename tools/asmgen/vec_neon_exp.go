package main

// Functions of vecF32 for arm64, two vectors side by side. Vector u has its input in register u and others of passing use by
// at. Constants: 18 to 21 filled with expMin, expMax, 1 and 127; 22 to 24 four others each, as are 26 to 28 for a function's
// own, and 29 to 31 filled again. Instructions take a factor from an element as well as from a register, and filling a
// register with an addend costs as much as copying it.

const (
	expMin, expMax, expOne, expBias = 18, 19, 20, 21
	expTable, ownTable              = 22, 26
	tableLog2e, tableHi, tableLo    = 0, 1, 2
	table0                          = 3 // the first of six coefficients
)

// at is register j of vector u.
func at(u, j int) int { return 2 + 2*j + u }

// place is where the i-th constant of a table is.
func place(table, i int) (v, e int) { return table + i/4, i % 4 }

func (w *vecArm) table(table int, names ...string) {
	for i, name := range names {
		v, e := place(table, i)
		w.op("MOVD $0x%08x, R6", vecConstants[name])
		w.op("VMOV R6, V%d.S[%d]", v, e)
	}
}

func (w *vecArm) fill(v int, name string) { w.bits(v, vecConstants[name]) }

// addend fills d with a constant of a table.
func (w *vecArm) addend(d, table, i int) {
	v, e := place(table, i)
	w.op("VDUP V%d.S[%d], V%d.S4", v, e, d)
}

func (w *vecArm) fmul(d, n, m int) { w.three(0x6e20dc00, "FMUL", d, n, m) }
func (w *vecArm) fadd(d, n, m int) { w.three(0x4e20d400, "FADD", d, n, m) }
func (w *vecArm) fsub(d, n, m int) { w.three(0x4ea0d400, "FSUB", d, n, m) }
func (w *vecArm) fdiv(d, n, m int) { w.three(0x6e20fc00, "FDIV", d, n, m) }
func (w *vecArm) fneg(d, n int)    { w.two(0x6ea0f800, "FNEG", "4S", "4S", d, n) }
func (w *vecArm) fabs(d, n int)    { w.two(0x4ea0f800, "FABS", "4S", "4S", d, n) }

// mulBy is d = n times a constant of a table; addBy adds that to d, and subBy takes it off.
func (w *vecArm) mulBy(d, n, table, i int) {
	v, e := place(table, i)
	w.byElement(0x4f809000, "FMUL", d, n, v, e)
}

func (w *vecArm) addBy(d, n, table, i int) {
	v, e := place(table, i)
	w.fmla(d, n, v, e)
}

func (w *vecArm) subBy(d, n, table, i int) {
	v, e := place(table, i)
	w.byElement(0x4f805000, "FMLS", d, n, v, e)
}

// polynomial evaluates n constants of a table, from the i-th on and the highest power first, at x; registers p and q take
// turns, and the one with the result is returned.
func (w *vecArm) polynomial(x, table, i, n, p, q int) int {
	w.addend(p, table, i+1)
	w.addBy(p, x, table, i)
	for j := 2; j < n; j++ {
		w.addend(q, table, i+j)
		w.vfmla(q, p, x)
		p, q = q, p
	}
	return p
}

func (w *vecArm) expConstants() {
	for v, name := range []string{"expMin", "expMax", "one", "bias"} {
		w.fill(expMin+v, name)
	}
	w.table(expTable, "log2e", "ln2hi", "ln2lo", "e0", "e1", "e2", "e3", "e4", "e5")
}

// exp replaces x, of vector u, by e^x, as vecF32's. It spends registers 0 to 3 of the vector.
func (w *vecArm) exp(u, x int) {
	n, p, h, s := at(u, 0), at(u, 1), at(u, 2), at(u, 3)
	w.three(0x4e20f400, "FMAX", x, x, expMin)
	w.three(0x4ea0f400, "FMIN", x, x, expMax)
	w.mulBy(n, x, expTable, tableLog2e)
	w.two(0x4e21a800, "FCVTNS", "4S", "4S", s, n)
	w.two(0x4e21d800, "SCVTF", "4S", "4S", n, s)
	w.subBy(x, n, expTable, tableHi)
	w.subBy(x, n, expTable, tableLo)
	y := w.polynomial(x, expTable, table0, 6, p, h)
	w.fmul(n, x, x)
	w.vfmla(x, y, n) // p·x² + x
	w.fadd(x, x, expOne)
	w.word(0x4f3f0400|s<<5|n, "SSHR V%d.4S, V%d.4S, #1", n, s)
	w.op("VSUB V%d.S4, V%d.S4, V%d.S4", n, s, s)
	for _, half := range []int{n, s} {
		w.op("VADD V%d.S4, V%d.S4, V%d.S4", expBias, half, half)
		w.op("VSHL $23, V%d.S4, V%d.S4", half, half)
		w.fmul(x, x, half)
	}
}

// functions writes those that go by exp.
func (w *vecArm) functions() {
	w.loop("vecExp", "ExpF32", 1, 0, 2, w.expConstants, func(u int) { w.exp(u, u) })
	w.loop("vecSigmoid", "SigmoidF32", 1, 0, 2, w.expConstants, func(u int) {
		w.fneg(u, u)
		w.exp(u, u)
		w.fadd(u, u, expOne)
		w.fdiv(u, expOne, u)
	})
	w.loop("vecSwish", "SwishF32", 1, 0, 2, w.expConstants, func(u int) {
		x := at(u, 4)
		w.fneg(x, u)
		w.exp(u, x)
		w.fadd(x, x, expOne)
		w.fdiv(u, u, x)
	})
	w.loop("vecTanh", "TanhF32", 1, 0, 2, func() {
		w.expConstants()
		w.table(ownTable, "t0", "t1", "t2", "t3", "t4")
		for i, name := range []string{"small", "two", "sign"} {
			w.fill(29+i, name)
		}
	}, w.tanh)
	w.loop("vecGelu", "GeluF32", 1, 0, 2, func() {
		w.expConstants()
		w.table(ownTable, "g", "g8", "g7", "g6", "g5", "g4", "g3", "g2", "g1", "g0")
		w.fill(29, "far")
		w.constant(30, 0)
		w.constant(31, 0.5)
	}, w.gelu)
	w.loop("vecGeluTanh", "GeluF32", 1, 0, 2, func() { w.expConstants(); w.table(ownTable, "gt3", "gt1") }, func(u int) {
		x, p := at(u, 4), at(u, 0)
		w.fmul(x, u, u)
		w.addend(p, ownTable, 1)
		w.addBy(p, x, ownTable, 0)
		w.fmul(x, p, u)
		w.exp(u, x)
		w.fadd(x, x, expOne)
		w.fdiv(u, u, x)
	})
	w.loop("vecErf", "ErfF32", 1, 0, 2, func() {
		for i, name := range []string{"-erfEnd", "erfEnd", "-one", "one"} {
			w.fill(18+i, name)
		}
		w.table(expTable, "n6", "n5", "n4", "n3", "n2", "n1", "n0", "d4", "d3", "d2", "d1", "d0")
	}, func(u int) {
		z := at(u, 0)
		w.between(u, 18, 19)
		w.fmul(z, u, u)
		p := w.polynomial(z, expTable, 0, 7, at(u, 1), at(u, 2))
		q := w.polynomial(z, expTable, 7, 5, at(u, 3), at(u, 4))
		w.fmul(u, u, p)
		w.fdiv(u, u, q)
		w.between(u, 20, 21)
	})
}

// between clamps x by two registers; NaN stays.
func (w *vecArm) between(x, lo, hi int) {
	w.three(0x4e20f400, "FMAX", x, x, lo)
	w.three(0x4ea0f400, "FMIN", x, x, hi)
}

// tanh is vecF32's: a polynomial below 0.625, 1 - 2/(e^2|x| + 1) with x's sign above.
func (w *vecArm) tanh(u int) {
	in, little, big, sq := at(u, 4), at(u, 5), at(u, 6), at(u, 7)
	w.op("VMOV V%d.B16, V%d.B16", u, in)
	w.fabs(u, u)
	w.fmul(sq, u, u)
	p := w.polynomial(sq, ownTable, 0, 5, at(u, 0), at(u, 1))
	w.fmul(sq, in, sq)
	w.op("VMOV V%d.B16, V%d.B16", in, little)
	w.vfmla(little, p, sq) // p·x³ + x
	w.three(0x6ea0e400, "FCMGT", big, u, 29)
	w.fadd(u, u, u)
	w.exp(u, u)
	w.fadd(u, u, expOne)
	w.fdiv(u, 30, u)
	w.fsub(u, expOne, u)
	w.threeAs(0x6ea01c00, "BIT", "16B", "16B", u, in, 31)
	w.threeAs(0x6ee01c00, "BIF", "16B", "16B", u, little, big)
}

// gelu is vecF32's.
func (w *vecArm) gelu(u int) {
	a, low, sq, t := at(u, 4), at(u, 5), at(u, 6), at(u, 7)
	w.fabs(a, u)
	w.three(0x4ea0f400, "FMIN", a, a, 29)
	w.fmul(sq, a, a)
	w.fneg(low, sq)
	w.vfmla(low, a, a) // a² - sq
	w.op("VMOV V%d.B16, V%d.B16", expOne, t)
	w.addBy(t, a, ownTable, 0)
	w.fdiv(t, expOne, t)
	w.fmul(a, a, t)
	p := w.polynomial(t, ownTable, 1, 9, at(u, 0), at(u, 1))
	w.fmul(a, a, p)
	w.fmul(low, low, 31)
	w.fmul(sq, sq, 31)
	w.fneg(sq, sq)
	w.exp(u, sq)
	w.vfmls(sq, sq, low) // e^-sq/2 times 1 - low/2
	w.three(0x4e20f400, "FMAX", u, u, 30)
	w.vfmls(u, sq, a)
}
