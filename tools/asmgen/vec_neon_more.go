package main

// more writes the loops of kern's vecmore.go for arm64.
func (w *vecArm) more() {
	for _, r := range []struct {
		name, instruction string
		base              int
	}{{"Round", "FRINTN", 0x4e218800}, {"Floor", "FRINTM", 0x4e219800}, {"Ceil", "FRINTP", 0x4ea18800}} {
		w.loop("vec"+r.name, "RoundF32", 1, 0, 4, nil, func(u int) { w.two(r.base, r.instruction, "4S", "4S", u, u) })
	}
	w.loop("vecAbs", "AbsF32", 1, 0, 4, nil, func(u int) { w.fabs(u, u) })
	w.larger()
	w.where()
	for _, c := range []struct {
		name string
		mask func(u int)
	}{
		{"Less", func(u int) { w.three(0x6ea0e400, "FCMGT", u, 4+u, u) }},
		{"AtMost", func(u int) { w.three(0x6e20e400, "FCMGE", u, 4+u, u) }},
		{"Equal", func(u int) { w.three(0x4e20e400, "FCMEQ", u, u, 4+u) }},
		{"Different", func(u int) {
			w.three(0x4e20e400, "FCMEQ", u, u, 4+u)
			w.two(0x6e205800, "NOT", "16B", "16B", u, u)
		}},
	} {
		w.compare("vec"+c.name, c.mask)
	}
}

// larger is vecF32's.
func (w *vecArm) larger() {
	w.start("vecLarger", "LargerF32", func() { w.param(16, vecP0) })
	w.steps([]int{1, 0}, func(n int) {
		load, store, step := "FMOVQ", "FMOVQ.P", 16
		if n == 0 {
			load, store, step = "FMOVS", "FMOVS.P", 4
		}
		w.read(n, 0)
		w.op("%s (R3), F4", load)
		w.op("%s (R1), F8", load)
		w.three(0x6ea0e400, "FCMGT", 12, 0, 4)
		w.three(0x4e20e400, "FCMEQ", 13, 0, 0)
		w.three(0x4e20e400, "FCMEQ", 14, 4, 4)
		w.threeAs(0x4e601c00, "BIC", "16B", "16B", 14, 14, 13) // x alone is none
		w.op("VORR V12.B16, V14.B16, V12.B16")
		w.threeAs(0x6ea01c00, "BIT", "16B", "16B", 4, 0, 12)
		w.threeAs(0x6ea01c00, "BIT", "16B", "16B", 8, 16, 12)
		w.op("%s F4, %d(R3)", store, step)
		w.op("%s F8, %d(R1)", store, step)
	})
	w.op("RET")
}

// where is vecF32's, sixteen elements at a time.
func (w *vecArm) where() {
	w.start("vecWhere", "WhereF32", nil)
	w.steps([]int{4}, func(n int) {
		w.op("VLD1.P 16(R5), [V8.B16]")
		w.read(n, 0)
		w.read(n, 1)
		w.word(0x4e209800|8<<5|9, "CMEQ V9.16B, V8.16B, #0")
		w.word(0x0f08a400|9<<5|10, "SSHLL V10.8H, V9.8B, #0")
		w.word(0x4f08a400|9<<5|11, "SSHLL2 V11.8H, V9.16B, #0")
		for u := range n {
			from, to := 10+u/2, 12+u
			if u%2 == 0 {
				w.word(0x0f10a400|from<<5|to, "SSHLL V%d.4S, V%d.4H, #0", to, from)
			} else {
				w.word(0x4f10a400|from<<5|to, "SSHLL2 V%d.4S, V%d.8H, #0", to, from)
			}
		}
		for u := range n {
			w.threeAs(0x6ea01c00, "BIT", "16B", "16B", u, 4+u, 12+u)
		}
		w.op("VST1.P %s, %d(R1)", regList(0, n), 16*n)
	})
	w.op("RET")
}

// compare is vecF32's, sixteen elements at a time; mask sets register u to ones where the relation holds for u and 4+u.
func (w *vecArm) compare(name string, mask func(u int)) {
	w.start(name, "CompareF32", func() { w.bits(16, 0x01010101) })
	w.steps([]int{4}, func(n int) {
		w.read(n, 0)
		w.read(n, 1)
		w.weave(n, mask)
		for u := 0; u < n; u += 2 {
			w.two(0x0e612800, "XTN", "4H", "4S", u, u)
			w.two(0x4e612800, "XTN2", "8H", "4S", u, u+1)
		}
		w.two(0x0e212800, "XTN", "8B", "8H", 0, 0)
		w.two(0x4e212800, "XTN2", "16B", "8H", 0, 2)
		w.op("VAND V16.B16, V0.B16, V0.B16")
		w.op("VST1.P [V0.B16], 16(R1)")
	})
	w.op("RET")
}
