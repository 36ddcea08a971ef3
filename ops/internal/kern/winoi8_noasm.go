//go:build !amd64 || purego

package kern

func gemmI16(rows int, t *tileI16) { panic("kern: BUG: no assembly in this build") }

func (i isa) winoI8(s winoI8Side, t *winoTileI8) {
	panic("kern: BUG: no assembly in this build")
}
