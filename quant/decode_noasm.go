//go:build !amd64 || purego

package quant

const useDecode = false

func ransRunFours(*ransRun)  { panic("quant: BUG: no assembly in this build") }
func halvesRun16(*halvesRun) { panic("quant: BUG: no assembly in this build") }
func scaleRun16(*scaleRun)   { panic("quant: BUG: no assembly in this build") }
