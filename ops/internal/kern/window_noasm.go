//go:build !amd64 || purego

package kern

func tapOffsets(t *tapTile) { tapOffsetsGeneric(t) }

func tapsAsm() bool { return false }
