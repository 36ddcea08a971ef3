//go:build !amd64 || purego

package kern

func groupedRun(t *groupedTile, block int, narrow bool, stride int) {
	panic("kern: BUG: no assembly here")
}
