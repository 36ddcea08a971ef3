//go:build (!amd64 && !arm64) || purego

package kern

func (g *GemmF32) strips(n Narrow, t *stripArgs) { t.run(n) }
