//go:build !purego

package cpu

// vendor is the first four letters of the processor's maker.
//
//go:noescape
func vendor() uint32

// AVX512Adds says that 512-bit additions run beside multiply-adds, in units of their own: on AMD's processors (Zen 4 and
// later); on Intel's they take turns.
var AVX512Adds = AVX512 && vendor() == 'A'|'u'<<8|'t'<<16|'h'<<24
