//go:build !amd64 || purego

package kern

const haveF16C = false

func narrowPut(n Narrow, t *narrowArgs) { panic("kern: BUG: no assembly in this build") }

func narrowPutSteps(t *narrowArgs) { panic("kern: BUG: no assembly in this build") }
