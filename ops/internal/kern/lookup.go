package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

var (
	useLookupVBMI = cpu.VBMI && haveAsm
	useLookupNEON = cpu.NEON && haveNEON
)

func init() {
	cpu.Register("lookup/vbmi", &useLookupVBMI)
	cpu.Register("lookup/neon", &useLookupNEON)
}

// lookupArgs is what the loop is handed; assembly knows the offsets (see TestLookup).
type lookupArgs struct {
	dst, src           *byte
	table              *[256]byte
	rows, n            int
	dstPitch, srcPitch int
}

// Lookup sets dst[r·dstPitch+i] to table[src[r·srcPitch+i]] for each of rows and i in [0, n). dst may be src.
func Lookup(dst, src []byte, table *[256]byte, rows, n, dstPitch, srcPitch int) {
	if rows <= 0 || n <= 0 {
		return
	}
	if dstPitch < 0 || srcPitch < 0 || len(dst) < (rows-1)*dstPitch+n || len(src) < (rows-1)*srcPitch+n {
		panic("kern: BUG: lookup: a slice does not match the sizes")
	}
	if useLookupVBMI || useLookupNEON {
		lookupRun(&lookupArgs{&dst[0], &src[0], table, rows, n, dstPitch, srcPitch})
		return
	}
	for r := range rows {
		to := dst[r*dstPitch:][:n]
		for i, b := range src[r*srcPitch:][:n] {
			to[i] = table[b]
		}
	}
}
