//go:build !amd64 || purego

package kern

func (r *pairRows) run() { panic("kern: BUG: no assembly in this build") }

func (t *pairTile) run() { panic("kern: BUG: no assembly in this build") }
