//go:build !purego

package kern

func lookupRun(t *lookupArgs) { lookupBytesAVX512(t) }

// See Lookup for what it computes.
//
//go:noescape
func lookupBytesAVX512(t *lookupArgs)
