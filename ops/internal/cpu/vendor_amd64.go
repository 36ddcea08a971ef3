//go:build !purego

package cpu

// vendor is the first four letters of the processor's maker.
//
//go:noescape
func vendor() uint32

// AVX512Adds says that 512-bit additions run beside multiply-adds, in units of their own: on AMD's processors (Zen 4 and
// later); on Intel's they take turns.
var AVX512Adds = AVX512 && vendor() == 'A'|'u'<<8|'t'<<16|'h'<<24

// Intel's cores read weights from the third-level cache or from memory up to twice as fast where a program asks for them
// ahead, and its 512-bit logic takes turns with multiply-adds.
var Intel = AVX512 && vendor() == 'G'|'e'<<8|'n'<<16|'u'<<24
