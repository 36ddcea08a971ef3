//go:build !purego

package cpu

//go:noescape
func cpuid(leaf uint32) (ebx, ecx uint32)

// vendor is the first four letters of the processor's maker.
func vendor() uint32 {
	name, _ := cpuid(0)
	return name
}

// F16C is conversions between float32 and half precision, beside AVX2.
var F16C = AVX2 && hasF16C()

func hasF16C() bool {
	_, ecx := cpuid(1)
	return ecx>>29&1 != 0
}

// AVX512Adds says that 512-bit additions run beside multiply-adds, in units of their own: on AMD's processors (Zen 4 and
// later); on Intel's they take turns.
var AVX512Adds = AVX512 && vendor() == 'A'|'u'<<8|'t'<<16|'h'<<24

// Intel's cores read weights from the third-level cache or from memory up to twice as fast where a program asks for them
// ahead, and its 512-bit logic takes turns with multiply-adds.
var Intel = AVX512 && vendor() == 'G'|'e'<<8|'n'<<16|'u'<<24
