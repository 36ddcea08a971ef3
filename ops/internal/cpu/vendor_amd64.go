//go:build !purego

package cpu

//go:noescape
func cpuid(leaf uint32) (eax, ebx, ecx uint32)

// core is this processor's, or empty.
var core = whose()

// whose goes by the first four letters of the maker's name, and by the family: 19h is Zen 3 and 4, of which the latter alone
// has AVX-512, and 1Ah Zen 5.
func whose() string {
	_, name, _ := cpuid(0)
	signature, _, _ := cpuid(1)
	switch name {
	case 'G' | 'e'<<8 | 'n'<<16 | 'u'<<24:
		return Intel
	case 'A' | 'u'<<8 | 't'<<16 | 'h'<<24:
		if family := signature>>8&0xf + signature>>20&0xff; family > 0x19 {
			return Zen5
		}
		if !AVX512 {
			return Zen3
		}
		return Zen4
	}
	return ""
}

// F16C is conversions between float32 and half precision, beside AVX2.
var F16C = AVX2 && hasF16C()

func hasF16C() bool {
	_, _, ecx := cpuid(1)
	return ecx>>29&1 != 0
}
