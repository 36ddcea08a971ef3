//go:build !purego

package kern

func interleaveRun(t *interleaveArgs) { interleaveAVX512(t) }

// See Interleave for what it computes.
//
//go:noescape
func interleaveAVX512(t *interleaveArgs)
