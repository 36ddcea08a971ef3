//go:build !amd64 || purego

package kern

func groupLinesRun(dot bool, t *groupLines) { panic("kern: BUG: no assembly here") }
