//go:build !amd64 || purego

package kern

func (g *GemmI8) strips(t *stripI8Args) { t.run() }
