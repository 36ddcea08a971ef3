//go:build (!amd64 && !arm64) || purego

package kern

func vecRun(op vecOp, t *vecArgs) { panic("kern: BUG: no assembly in this build") }

func vecTrain(op vecOp, t *vecArgs) { vecRun(op, t) }
