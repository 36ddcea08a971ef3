//go:build !purego

package kern

func tapOffsets(t *tapTile) {
	if useGemmAVX512 {
		tapOffsetsAVX512(t)
		return
	}
	tapOffsetsGeneric(t)
}

//go:noescape
func tapOffsetsAVX512(t *tapTile)

// tapsAsm reports that tapOffsets is assembly, as fast as copying what it writes.
func tapsAsm() bool { return useGemmAVX512 }
